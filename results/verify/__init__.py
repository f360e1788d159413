"""An export trained again on fresh seeds: `python -m results.verify`."""
