"""The study's configuration: its keys, their checks, and what they lay out."""
