"""How good what a model learns is, beside the reference implementation; linear classifiers beside MiniRocket."""
