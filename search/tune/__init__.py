"""The search as Ray Tune sees it. Importing the room loads nothing; its files but `preflight` load Ray.

- `fit`: assembles a run and fits the Tuner.
- `searcher`: gives out requests, records their results.
- `scheduler`: stops trials early.
- `trial`: the thin actor that hands a request to a warm group.
- `capacity`: how many trials run at a time on a cluster that grows and shrinks.
- `preflight`: whether the resources asked for can ever be had.
- `steering`: what a search does at the command of its user.
- `tracking`: TensorBoard, MLflow, Weights & Biases and callbacks of a user's own.
"""
