"""What tests of several packages share: a language model's endpoint on loopback, a browser, and trained models."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _load(name: str) -> ModuleType:
    """Load a file beside this one, so that `from NAME import ...` finds it in tests."""
    specification = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


server_module = _load("language_model_server")
browser_module = _load("browser")
exports_module = _load("small_exports")


@pytest.fixture
def language_model_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A `LanguageModelServer`, in an environment that names no other endpoint, no key and no proxy."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = server_module.LanguageModelServer()
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
    missing = browser_module.missing_part()
    if missing:
        pytest.skip(missing)
    with pytest.MonkeyPatch.context() as environment:
        for name in ("NO_PROXY", "no_proxy"):  # the driver listens on loopback
            environment.setenv(name, "localhost,127.0.0.1")
        opened = browser_module.Browser(profile, servers)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def small_exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, float]]]:
    """Small trained models, each in a folder of its own, with what their runs measured; not to be changed."""
    return exports_module.train_small(tmp_path_factory.mktemp("best"))
