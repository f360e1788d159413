"""What tests of several packages share: a language model's endpoint on loopback, a browser, and trained models."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, missing_part
from language_model_server import LanguageModelServer
from small_exports import train_small

# More threads than cores that are free slow tiny products a hundredfold. Set before anything loads numpy or torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# MiniRocket on a few recordings: Python's pace is enough, and to compile it takes half a minute.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

# Thousands of tests and the libraries they load are looked through in vain: a third of the time that collecting takes.
gc.set_threshold(50_000, 20, 50)

# Real clusters go first, in two rows of about the same length: they wait as much as they work, but three at a time
# would starve one another on a small machine.
REAL_RUNS = "tests/search/on_ray/"
FIRST_ROW = ("test_faults.py", "test_nodes.py", "test_watching.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that take longest first, so that the others fill the time beside them."""
    items.sort(key=lambda item: not item.nodeid.startswith(REAL_RUNS))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each process whole files, which share fixtures, and real runs a row at a time."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if not nodeid.startswith(REAL_RUNS):
                return super()._split_scope(nodeid)
            return f"{REAL_RUNS}{nodeid.removeprefix(REAL_RUNS).startswith(FIRST_ROW)}"

    return Scheduling(config, log)


@pytest.fixture
def language_model_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A `LanguageModelServer`, in an environment that names no other endpoint, no key and no proxy."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = LanguageModelServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A `Browser` that sees files alone; where none is installed, the test is skipped."""
    yield from _browser(tmp_path_factory.mktemp("profile"), servers=False)


@pytest.fixture(scope="session")
def browser_of_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A `Browser` that sees servers on this machine as well."""
    yield from _browser(tmp_path_factory.mktemp("profile"), servers=True)


def _browser(profile: Path, servers: bool) -> Iterator[Any]:
    pytest.importorskip("selenium", reason="selenium, which drives the browser, is not installed")
    missing = missing_part()
    if missing:
        pytest.skip(missing)
    with pytest.MonkeyPatch.context() as environment:
        for name in ("NO_PROXY", "no_proxy"):  # the driver listens on loopback
            environment.setenv(name, "localhost,127.0.0.1")
        opened = Browser(profile, servers)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def small_exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, float]]]:
    """Small trained models, each in a folder of its own, with what their runs measured; not to be changed."""
    return train_small(tmp_path_factory.mktemp("best"))
