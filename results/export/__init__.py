"""The best configurations, exported to be taken home."""
