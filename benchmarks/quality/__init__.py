"""How good what a model learns is, beside simple baselines, the reference implementation and MiniRocket."""
