"""Atlases that several files of tests look at; none changes them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.configuration.reading import Configuration
from model.evaluation.meaning import CodeMeaning
from model.pretrained.atlas import CodeAtlas, Example
from results.atlas.__main__ import main
from results.atlas.view import AtlasView


@pytest.fixture(scope="session")
def written(small_exports: dict, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of the atlases of small trained models."""
    folder = tmp_path_factory.mktemp("atlas")
    for name, (path, _) in small_exports.items():
        assert main([str(path), "--out", str(folder / name), "--per-class", "1"]) == 0
    return {name: folder / name for name in small_exports}


@pytest.fixture(scope="session")
def facts_of() -> Callable[[str], dict[str, Any]]:
    """Reads what a page's script knows."""
    return facts


def facts(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


@pytest.fixture(scope="session")
def large_atlas() -> Callable[..., AtlasView]:
    """Makes an atlas that no test could train: many codes and channels, long series."""
    return large


def large(codes: int, channels: int, classes: int, *, fused: bool, samples: int = 512) -> AtlasView:
    rng = np.random.default_rng(0)
    actions, tokens, lanes = 24, 32, channels if fused else 1
    names = tuple(f"a rather long name of sub-action {k}" for k in range(actions))
    titles = tuple(f"class {y}" for y in range(classes))
    q = rng.dirichlet(np.full(actions, 0.1), codes).astype(np.float32)
    counts = rng.integers(0, 90, (codes, classes)) * (np.arange(codes) % 9 > 0)[:, None]
    wave = np.sin(np.linspace(0, 6, 64) * rng.uniform(0.3, 2, (codes, lanes, 1))) + rng.normal(
        0, 0.1, (codes, lanes, 64)
    )
    number = np.full(codes, 0.5, np.float32)
    shapes = (wave / wave.std(-1, keepdims=True)).astype(np.float32)
    meaning = CodeMeaning(shapes, q, q, counts, 10 * number, number, number, names, titles)
    rows = 1 if fused else channels
    examples = []
    for n in range(2 * classes):
        chosen = rng.integers(1, codes, (rows, tokens))
        start = np.tile(np.arange(tokens) / tokens, (rows, 1)) * 0.95
        x = np.cumsum(rng.normal(0, 0.2, (channels, samples)), 1)
        length = np.full((rows, tokens), 1.9 / tokens)
        examples.append(Example(n, n // 2, n // 2, 0.5, x, x + 0.1, start, length, chosen, q[chosen]))
    configuration = Configuration(vocabulary={}, architecture={"tokens": tokens}, codebook_size=codes)
    owned = rng.random((classes, actions)) < 0.3
    named = tuple(f"channel {c}" for c in range(channels))
    atlas = CodeAtlas(meaning, configuration, named, owned, tuple(examples), 2 * classes, "large", samples, None)
    return AtlasView(atlas, "Atlas of large", "large: the knee of the front, trial 1.")
