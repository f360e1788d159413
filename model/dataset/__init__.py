"""Recordings: where they come from, how they are cut, scaled and split; `python -m model.dataset` converts archives."""
