"""The model: signal and text encoders, codebook, shapes, sub-actions, training and metrics; knows nothing of Ray."""
