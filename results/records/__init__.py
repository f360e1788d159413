"""The record of a run: the space, trials and curves in its folder, read and written.

- `run`: a whole run folder, read.
- `objectives`: what a trial is judged by: objectives and guards.
- `numbers`: what counts as a number in a space file.
- `space`: what was searched, from `space.yaml`.
- `tables`, `append_table`: write `trials.csv` and `curves.csv`; a CSV file that only grows.
- `trials`, `curves`: read them.
- `files`: writing in one step, reading YAML, and what becomes of damaged lines.
- `names`: what a record may name, and where a run may write.
- `lock`: whether a search works on a run.
- `text`: how a value reads, in a record and for people.
"""
