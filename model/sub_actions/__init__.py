"""Sub-actions: phrases of a vocabulary, merged by what they mean; `python -m model.sub_actions` shows what merges."""
