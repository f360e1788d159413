"""Who is proposed, stopped or trained again: pure logic over Optuna, without a cluster.

lines        which finished trainings go on at another value
proposals    which trials are given out: new ones, those that a crash interrupted, and replicates
samplers     Optuna's samplers by the names of the space file
front_sampler  a sampler for fronts: Gaussian processes and expected hypervolume improvement
journal      the run's trials in Optuna's journal, their copy in memory, and what becomes of a damaged file
replication  which points are trained again with further seeds
halving      which trials are stopped early: successive halving over several objectives
guards       by how much a trial breaks its guards
"""
