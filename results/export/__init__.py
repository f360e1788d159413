"""The best configurations of a run, exported to be taken home.

- `choices`: what can be chosen: knees, ends of the front, the best within bounds.
- `best`: a folder of `best/` for each choice.
- `record`: `export.json`, by which a folder can be checked.
- `card`: the model card.
- `latex`: tables for papers.
"""
