"""The error that all mistakes of a user share, so that the command line can tell them from faults of the program."""


class InputError(ValueError):
    """Something that the user has to correct; the message is one line that says what and how."""
