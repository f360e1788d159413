"""What a user has to correct, as one kind of error, and how an error is told in one line."""

import re

FAILED, ENDED_EARLY = 1, 3  # exit codes of a search that failed, and of one that ended before its budget was spent

USER_INFORMATION = re.compile(r"(?<=://)[^/@\s]+(?=@)")


class InputError(ValueError):
    """Something that the user has to correct; the message is one line that says what and how."""


def one_line(text: object) -> str:
    """Return a message, or what an error says, without its line breaks."""
    return " ".join(str(text).split())


def redacted(text: str) -> str:
    """Return a text without the names and passwords in its URLs."""
    return USER_INFORMATION.sub("***", text)
