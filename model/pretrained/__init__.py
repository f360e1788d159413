"""A trained model in the hands of a user: loading, tokens of new recordings, the hub."""
