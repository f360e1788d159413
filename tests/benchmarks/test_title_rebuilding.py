"""The benchmark of title rebuilding: its measures by hand, how it spoils vocabularies, and bad input as one line."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from model.sub_actions.vocabulary import load_vocabulary

ROOT = Path(__file__).parents[2]
FILE = ROOT / "spaces" / "sub_actions" / "epilepsy.yaml"


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark, which finds its neighbours as it does when run as a script."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("title_rebuilding")


def test_the_measures_by_hand(tool: ModuleType) -> None:
    assert tool.found(np.array([[0.9, 0.1, 0.2], [0.3, 0.3, 0.0], [0.0, 0.8, 0.7]])) == pytest.approx(1 / 3)
    assert [tool.right_way_round(np.array([[a, 0.5], [0.5, 0.5]])) for a in (0.9, 0.5, 0.1)] == [1.0, 0.5, 0.0]
    titles = np.random.default_rng(0).normal(size=(6, 20))
    shares = tool.measure(titles * 3 + 1, titles)
    assert (shares[1], shares[3]) == (1.0, 1.0)
    line = np.arange(8.0)[:, None] * np.ones(3)
    rebuilt = tool.ridge(line, 2 * line, np.arange(1, 8), np.array([0]))
    np.testing.assert_allclose(rebuilt, 0, atol=0.05)


def test_spoilt_vocabularies_are_what_they_say(tool: ModuleType) -> None:
    vocabulary, random = load_vocabulary(FILE), np.random.default_rng(0)
    spoilt = {way: spoil(vocabulary, random) for way, spoil in tool.WAYS.items()}
    assert spoilt["as written"] == vocabulary.classes
    assert all(set(classes) == set(vocabulary.classes) for classes in spoilt.values())
    other = spoilt["phrases of another class"]
    assert all(
        other[name] != own and other[name] in vocabulary.classes.values() for name, own in vocabulary.classes.items()
    )
    assert len(set(spoilt["all but one class alike"].values())) == 2
    assert {p for own in spoilt["phrases shuffled"].values() for p in own} == set(vocabulary.all_phrases())


def test_a_file_that_is_not_there_is_one_line(tool: ModuleType, capsys: pytest.CaptureFixture) -> None:
    assert tool.main(["nowhere.yaml"]) == 2
    assert capsys.readouterr().err == (
        "title_rebuilding: vocabulary file nowhere.yaml cannot be read: No such file or directory\n"
    )
