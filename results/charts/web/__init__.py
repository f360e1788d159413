"""Charts for the page, by plotly."""
