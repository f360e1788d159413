"""The space file: what is searched, read and checked."""
