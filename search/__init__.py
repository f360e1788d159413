"""Searches a space with several objectives: Ray Train trains, Ray Tune drives, Optuna proposes.

Run it with `python -m search.run SPACE.yaml`. Importing the package loads neither torch nor ray.
"""
