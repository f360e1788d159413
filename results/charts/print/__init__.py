"""Figures for print, by matplotlib.

- front: all points and the front
- lines: the hypervolume's growth, learning curves, parallel coordinates
- bars: importance and cost
- groups: fronts of groups, attainment surfaces and their difference
- files: the folder `figures/`
- fronts: the folder `fronts/`, with its tables
"""
