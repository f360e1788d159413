"""Speed and memory of a training step, beside the reference implementation and a matrix product."""
