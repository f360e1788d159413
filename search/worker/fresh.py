"""A worker as it was before a trial: what a study changes in its process does not reach the next one."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np


@contextmanager
def fresh_process(seed: int) -> Iterator[None]:
    """Seed the global generators of Python, numpy and torch; put back working folder and environment at the end.

    torch is left alone where nobody has loaded it.
    """
    environment, folder = dict(os.environ), None
    with suppress(FileNotFoundError):  # it may have been removed under the process
        folder = os.getcwd()
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - studies may draw from it
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            if folder is not None:
                os.chdir(folder)
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        changed = {name: value for name, value in environment.items() if os.environ.get(name) != value}
        os.environ.update(changed)
