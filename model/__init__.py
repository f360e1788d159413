"""The model: signal and text encoders, codebook, shapes, sub-actions, training and metrics; knows nothing of Ray.

`from model import ShapeAction` loads a trained model; torch comes with it, and not before.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name != "ShapeAction":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from model.pretrained.shape_action import ShapeAction

    return ShapeAction
