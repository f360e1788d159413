"""Fronts: which trials are on them, how good they are, and how they compare.

- `dominance`: non-dominated points, points near a front, a front that grows.
- `points`: what a point is: all seeds of one configuration.
- `front`: the front of a run, its named points, hypervolume and history.
- `knee`: the compromise, by two rules, and how sure its choice is.
- `seeds`: how probable it is that a point is on the front; draws of one seed per point.
- `indicators`: quality indicators against the front of all.
- `overview`: what all outputs show, of one run or of several together.
- `groups`: fronts by any parameter.
- `attainment`: what a share of several fronts reaches, and where two groups of fronts differ.
- `comparison`: two groups of runs, tested.
"""
