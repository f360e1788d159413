"""The base of what a user has to correct."""

from __future__ import annotations


class InputError(ValueError):
    """Something that the user has to correct; the message is one line that says where and how."""
