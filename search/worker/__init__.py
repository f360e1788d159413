"""What runs in a worker and how workers come and go. Importing the room loads nothing; its files load Ray and torch.

- `trial_loop`: the loop that runs a trial, epoch by epoch; no Ray in it.
- `group`: a warm group of workers, one long run of Ray Train that takes request after request.
- `work`: what each of its workers does; torch is loaded here.
- `nursery`: a process that forks all workers of Ray on one machine; `launch`: asks it for one.
- `team`: the several workers of one trial, in step.
- `mailbox`: requests from trial actors to workers, updates back.
- `slot`: one slot of the mailbox, and what follows when its worker hangs or dies.
- `nodes`: lost nodes, placement groups of dead actors, and all private interfaces of Ray.
- `wear`: when a worker process has to be replaced.
- `printed`: what a trial prints, beside its model.
- `fresh`: what a study changes in its process does not reach the next trial.
"""
