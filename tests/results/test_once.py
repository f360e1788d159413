"""What is worked out of an object: once for it and equal arguments, and no longer than it lives."""

import gc
import weakref

from results.once import once


class Subject:
    """Told apart by identity."""


def test_once_for_each_object_and_arguments() -> None:
    calls = []

    @once
    def work(subject, number=0):
        calls.append(number)
        return [number]

    one, other = Subject(), Subject()
    assert work(one, 1) is work(one, 1)
    assert work(one, 2) == [2]
    assert work(other, 1) == [1]
    assert calls == [1, 2, 1]


def test_nothing_is_kept_of_an_object_that_is_gone() -> None:
    made = once(lambda subject: {"made of": id(subject)})
    subject = Subject()
    made(subject)
    seen = weakref.ref(subject)
    del subject
    gc.collect()
    assert seen() is None
