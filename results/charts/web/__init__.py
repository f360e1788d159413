"""Charts for the page, by plotly.

- front: all points and the front; what all charts of the page have in common
- points: what the page's script knows of each point
- lines: the hypervolume's growth, learning curves, parallel coordinates
- bars: importance and cost
"""
