"""Charts for the page, by plotly.

- front: all points and the front; what all charts of the page have in common
- lines: the hypervolume's growth, learning curves, parallel coordinates
- bars: importance and cost
"""
