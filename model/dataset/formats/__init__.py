"""Recordings in other formats than the two that are trained on, read for `python -m model.dataset` and for annotation.

- `csv_folder`: a CSV file per recording and a table of labels
- `pamap2`, `ucihar`: the archives of two public data sets, as they are unpacked
- `unlabelled`: recordings that are to be annotated, from a file of any format
"""
