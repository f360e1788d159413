"""What tests of several packages share: a language model's endpoint on loopback."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

specification = importlib.util.spec_from_file_location(
    "language_model_server", Path(__file__).with_name("language_model_server.py")
)
server_module = importlib.util.module_from_spec(specification)
sys.modules[specification.name] = server_module  # so that `from language_model_server import Reply` finds it in tests
specification.loader.exec_module(server_module)


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
