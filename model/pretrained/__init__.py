"""A trained model in the hands of a user.

- `shape_action`: `ShapeAction`, loaded from a folder or the Hugging Face hub, saved, and asked for tokens
- `tokens`: codes, windows and sub-actions of new recordings
- `exported`: a configuration that a search exported, with its data and its network
- `atlas`: what a picture of the codebook shows, as plain arrays
"""

from model.pretrained.shape_action import ShapeAction
from model.pretrained.tokens import Tokens

__all__ = ["ShapeAction", "Tokens"]
