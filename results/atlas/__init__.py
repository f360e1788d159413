"""The atlas of a codebook, for the browser and for print: `python -m results.atlas`."""
