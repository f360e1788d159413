"""Owns the one exception that a run folder which cannot be read, or written as asked, gives."""

from __future__ import annotations


class RecordError(ValueError):
    """A record of a run is missing, damaged or does not fit: the message names it and says what to do."""
