"""What a search writes into its run folder, and reads back.

run_folder    who may write to a run folder, its `space.yaml`, and whether a run may go on in it
recorder      rows of trials on the disk first, then the live picture of the run
checkpoints   how far a trial has come that has not ended
earlier_runs  trials, starting points and values that a run takes from earlier ones
outbox        what a trial writes on a node that does not see the run folder, and how it gets there
control       commands to a search that runs, by files
origin        where a run comes from, and whether it still does when it goes on
sources       the source files of a study: what its modules import from outside of site-packages
mirror        a copy of the run folder at a URL
fetching      the way back from there
disk          folders that appear whole or not at all, and whether the disk is full
"""
