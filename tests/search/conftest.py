"""What the tests of the search share: a small space of the toy study, and a result of one of its trials."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from search.policy.proposals import Proposals
from search.preparation import Options, build_study, prepare, run_provenance, settle_resources
from search.record.recorder import Recorder
from search.space.reading import parse_space
from search.space.schema import Space
from search.trials import TrialRequest, TrialResult, TrialUpdate
from search.tune.preflight import Available
from search.worker.trial_loop import TrialLoop


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


def finished(request: TrialRequest, first: float = 0.5, second: float = 0.5, progress: float = 1.0) -> TrialResult:
    moment = "2026-01-01T00:00:0{}.000000+00:00"
    return TrialResult(
        request,
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


class Killed(BaseException):
    """Stands for a signal that no code can catch."""


@pytest.fixture
def killed_at() -> Callable[..., tuple[TrialResult, list[TrialUpdate]]]:
    """Runs a request in this process; the worker is killed at its update `until`."""

    def train(study, space: Space, folder: Path, request: TrialRequest, until: int = 99):
        updates: list[TrialUpdate] = []

        def deliver(update: TrialUpdate) -> bool:
            updates.append(update)
            if len(updates) == until:
                raise Killed
            return True

        return TrialLoop(study, space, folder, 0, deliver).run(request), updates

    return train


@pytest.fixture
def run_here() -> Callable[[Path, Path], Path]:
    """Searches a space in this process without Ray, one trial after another, as a run with one slot does."""

    def run(file: Path, folder: Path) -> Path:
        prepared = settle_resources(prepare(Options(file, out=folder)), Available(2, 0, "here"), file)
        space, study = prepared.space, build_study(prepared, file)
        folder.mkdir(parents=True)
        prepared.folder.write_space(space, run_provenance(prepared, study))
        proposals, recorder = Proposals(space, folder), Recorder(space, folder)

        def deliver(update: TrialUpdate) -> bool:
            recorder.note(update)
            return True

        for _ in range(space.budget.trials):
            request = proposals.ask()
            assert request is not None
            recorder.begin(request)
            result = TrialLoop(study, space, folder, 0, deliver).run(request)
            proposals.tell(result)
            recorder.end(result)
        return folder

    return run
