"""The record of a run: the space, trials and curves in its folder, read and written."""
