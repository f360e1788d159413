"""Where pretrained transformers are found: in a folder, in the hub's local cache, or on the Hugging Face hub.

Owns the order in which these are looked through, a quick failure where there is no network, and silence.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from model.exceptions import InputError

HUB_TIMEOUT_S = 5.0
T = TypeVar("T")


class PretrainedError(InputError):
    """A pretrained model is not there, or cannot be loaded."""


def load_pretrained(location: str, load: Callable[[str, bool], T]) -> T:
    """Load from a folder, else from the hub's local cache, else from the hub.

    `load` is called with the folder or the name on the hub, and whether only local files may be used.

    Raises:
        PretrainedError: One line, without what the model is for.
    """
    folder = Path(location).expanduser()
    if folder.is_dir():
        return _attempt(str(folder), True, load)
    if location.startswith((".", "~", "/")) or location.count("/") > 1:
        raise PretrainedError(f"{location}: no such folder (nor can it be a name on the hub)")
    try:
        return _attempt(location, True, load)
    except PretrainedError:
        _reach_hub(location)
    return _attempt(location, False, load)


def _attempt(location: str, local: bool, load: Callable[[str, bool], T]) -> T:
    from safetensors import SafetensorError

    try:
        with quiet():
            return load(location, local)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        raise PretrainedError(f"{location} cannot be loaded: {' '.join(str(error).split())}") from error


def _reach_hub(name: str) -> None:
    """Fail within seconds where there is no network; transformers 5.23 retries for 46 s (measured)."""
    from huggingface_hub.constants import ENDPOINT

    try:
        urllib.request.urlopen(urllib.request.Request(ENDPOINT, method="HEAD"), timeout=HUB_TIMEOUT_S).close()
    except urllib.error.HTTPError:
        return  # an answer, so there is a network; the hub's own error will say more
    except OSError as error:
        raise PretrainedError(
            f"{name} is neither a folder here nor in the hub's cache, "
            f"and {ENDPOINT} cannot be reached ({getattr(error, 'reason', error)}): give a local folder"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Silence progress bars and warnings of transformers; put its own settings back afterwards."""
    from transformers.utils import logging as messages

    verbosity, bars = messages.get_verbosity(), messages.is_progress_bar_enabled()
    messages.set_verbosity_error()
    messages.disable_progress_bar()
    try:
        yield
    finally:
        messages.set_verbosity(verbosity)
        if bars:
            messages.enable_progress_bar()
