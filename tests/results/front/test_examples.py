"""The examples in the docstrings of what users import give what they say."""

import doctest

import pytest

from results.front import attainment, front, knee


@pytest.mark.parametrize("module", [attainment, front, knee], ids=lambda module: module.__name__)
def test_examples_give_what_they_say(module):
    done = doctest.testmod(module)
    assert done.attempted > 0
    assert done.failed == 0
