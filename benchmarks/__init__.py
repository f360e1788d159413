"""Measurements that the docs cite, each a command of its own: `python -m benchmarks.NAME --help`, from the repository.

`trainer` speed and memory of training; `quality` and `quality.classifiers` what is learnt; `search.quality` fronts
against epochs, on the table of `search.table`; `search.overhead`, `search.scale` and `search.faults` whole searches;
`report` the report of a long search.
"""
