"""An export trained again on fresh seeds: `python -m results.verify`.

- `consistency`: whether the records of a run agree with one another.
- `retraining`: a configuration with its study, trained again.
- `prediction_interval`: the band in which fresh seeds have to fall.
"""
