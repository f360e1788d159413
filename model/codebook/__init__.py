"""Codebooks: quantizers of every kind, and the decoding of a whole codebook at once.

- `quantizer`: what every quantizer offers, where codes start, and the default one
- `library`, `finite_scalar`: quantizers of vector-quantize-pytorch
- `product`: a codebook of two parts, one for shapes and one for actions
- `decoding`: each code decoded once instead of each token
"""

from model.codebook.quantizer import Quantized, Quantizer, SynchronisedQuantizer

__all__ = ["Quantized", "Quantizer", "SynchronisedQuantizer"]
