"""Do codes name the right sub-action? On recordings whose truth is known: `python -m benchmarks.meaning`.

- `__main__`: the command
- `designs`: recordings put together from primitives, with the truth of every sample
- `naming`: shares of codes, tokens and time steps named right, from plain arrays
- `clusters`: no network: k-means of pieces, named by expectation maximisation from the classes alone
- `training`: one training of ours, or of a control
- `report`: tables, and how metrics order what was trained
- `zero_shot`: recordings of a class that was never trained
"""
