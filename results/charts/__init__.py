"""What charts show, for the page and for print alike: data, colours and limits; `web` and `print` draw it.

- style: palette, axis limits, thinning, and figures as files
- encoding: colour and marker of each point
- labels: where the names of points stand
- outline: the staircase of a front, the area it dominates, the points with names
- growth: the hypervolume over trials, time and epochs
- curves: learning curves, grouped
- parallel: parallel coordinates
- importance: which parameters matter
- costs: seconds and epochs, and why trials did not count
"""
