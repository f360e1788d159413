"""Training: the run that a search steers, its step, losses, augmentation and replicas.

- `run`: `ShapeActionRun`: epochs, schedule, the start and the replacement of codes, checkpoints, export
- `step`: the gradient of one optimiser step, in micro-batches and shared among replicas
- `answer_key`: trains the answer key and says what it is worth
- `losses`: every term of the method and their sum
- `augmentation`: recordings rolled in time at random
- `replicas`: several processes that give what one would give
"""

from model.training.run import ShapeActionRun

__all__ = ["ShapeActionRun"]
