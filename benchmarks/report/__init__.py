"""How long the results of a long search take: `python -m results`, and a browser that opens the page."""
