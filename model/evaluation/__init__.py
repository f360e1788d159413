"""What is measured on a held-out split: reconstruction, action, guards, codebook, downstream.

- `evaluate`: all metrics of a network on a split
- `metrics`: each formula by itself
- `bootstrap`: intervals over recordings
- `names`: the names of all metrics; loads no torch
- `downstream`: linear classifiers on frozen features
- `meaning`: what each code means, in the checkpoint and as a table
"""
