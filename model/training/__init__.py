"""Training: the run that a search steers, its step, losses, augmentation and replicas."""
