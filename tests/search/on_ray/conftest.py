"""What tests on real Ray share."""

from collections.abc import Iterator

import pytest

from tests.search.on_ray.command_line import STARTED, stop


@pytest.fixture(autouse=True)
def _nothing_goes_on() -> Iterator[None]:
    """Ends what a test that fails has left running."""
    yield
    while STARTED:
        stop(STARTED.pop())
