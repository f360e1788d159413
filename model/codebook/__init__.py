"""Codebooks: quantizers of every kind, and the decoding of a whole codebook at once."""
