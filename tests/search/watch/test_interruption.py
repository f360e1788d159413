import os
import signal
import subprocess
import sys

import pytest

from search.watch.interruption import EXIT_CODE, Interruption

SECOND = """
import os, signal
from search.watch.interruption import Interruption
interruption = Interruption(lambda: print("second", flush=True))
with interruption.deferred():
    os.kill(os.getpid(), signal.SIGINT)
    print(interruption.requested, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    print("never")
"""


@pytest.fixture
def interruption():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield Interruption(lambda: None)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_raises_at_once_outside_of_tune(interruption):
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        os.kill(os.getpid(), signal.SIGTERM)
    assert interruption.requested


def test_a_signal_waits_for_a_safe_place_inside(interruption):
    with interruption.deferred():
        interruption.raise_if_requested()
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            interruption.raise_if_requested()


def test_a_second_signal_ends_the_process_after_the_call_for_it():
    done = subprocess.run([sys.executable, "-c", SECOND], capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_CODE
    assert done.stdout.split() == ["True", "second"]


def test_another_cause_is_raised_at_the_safe_place_inside(interruption):
    with interruption.deferred():
        interruption.end_with(RuntimeError("Ray cannot go on"))
        with pytest.raises(RuntimeError, match=r"^Ray cannot go on$"):
            interruption.raise_if_requested()
