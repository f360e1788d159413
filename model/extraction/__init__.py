"""Vocabularies proposed by a language model: `python -m model.extraction`."""
