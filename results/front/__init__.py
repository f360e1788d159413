"""Fronts: which trials are on them, how good they are, and how they compare.

- `dominance`: non-dominated points, points near a front, a front that grows.
- `points`: what a point is: all seeds of one configuration.
- `front`: the front of a run, its named points, hypervolume and history.
- `knee`: the compromise, by two rules, and how sure its choice is.
- `seeds`: draws of one seed per point, and how often a point is on the front of such a draw.
- `noise`: what chance does to a front: how far seeds scatter, the front measured again, how sure its points are.
- `indicators`: quality indicators against the front of all.
- `overview`: what all outputs show, of one run or of several together.
- `groups`: fronts by any parameter.
- `attainment`: what a share of several fronts reaches, and where two groups of fronts differ.
- `comparison`: two groups of runs, tested.
"""
