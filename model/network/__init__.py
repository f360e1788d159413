"""The network, from patches to shapes, sub-actions and classes, and its assembly.

- `shape_action`: `ShapeActionNetwork`, the order of all steps
- `building`: the network of a configuration
- `batch`: recordings as tensors on a device
- `signal_encoder`, `transformer`: patches, tokens, and back to the series; the blocks that they are made of
- `channels`: tokens of each channel, or of all together
- `offset_scale`: what normalisation took out of a series, told to the encoder
- `attributes`: code, window, offset and scale of each token
- `shapes`: pieces of a series, decoded and stitched, with their errors
- `heads`: codes and tokens to sub-actions and classes
- `alignment`: signal meets text: the contrastive loss
- `teacher`: the answer key, which gives the soft labels, with the aligner and the class text
"""

from model.network.batch import Batch
from model.network.shape_action import ShapeActionNetwork

__all__ = ["Batch", "ShapeActionNetwork"]
