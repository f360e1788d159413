"""What the tests of the search share: a small space of the toy study, and an outcome of one of its trials."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from search.space.reading import parse_space
from search.space.schema import Space
from search.trials import Order, Outcome


@pytest.fixture
def document() -> dict:
    """A space file's content, valid."""
    return {
        "name": "toy",
        "study": "toy_study:ToyStudy",
        "seed": 3,
        "parameters": {
            "x": {"type": "float", "low": 0.0, "high": 1.0},
            "width": {"type": "choice", "values": [8, 16, 32]},
            "kind": {"type": "choice", "values": ["a", "b"]},
        },
        "fixed": {"sleep_s": 0.0},
        "objectives": [
            {"metric": "first", "name": "one", "direction": "minimise", "reference": 2.0},
            {"metric": "second", "name": "two", "direction": "minimise", "reference": 2.0},
        ],
        "guards": {"progress": {"at_least": 0.1}},
        "budget": {"trials": 8, "epochs": 10},
    }


@pytest.fixture
def space(document: dict) -> Space:
    return parse_space({**document, "resources": {"cpus": 1, "gpus": 0, "slots": 2}}, Path("toy.yaml"))


@pytest.fixture
def space_folder(document: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with `toy.yaml` and the module of its study."""
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    (tmp_path / "toy_study.py").write_text(Path(__file__).with_name("toy_study.py").read_text())
    monkeypatch.chdir(tmp_path)
    environment, path = dict(os.environ), list(sys.path)
    yield tmp_path
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = path
    sys.modules.pop("toy_study", None)


def finished(order: Order, first: float = 0.5, second: float = 0.5, progress: float = 1.0) -> Outcome:
    moment = "2026-01-01T00:00:0{}.000000+00:00"
    return Outcome(
        order,
        "finished",
        epochs=10,
        slot=0,
        started=moment.format(0),
        first_step=moment.format(1),
        ended=moment.format(2),
        metrics={"first": first, "second": second, "progress": progress},
    )


@pytest.fixture
def finish():
    return finished
