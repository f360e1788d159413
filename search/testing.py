"""A conformance suite for a study of your own: what a search will ask of it, asked before a search is begun.

Subclass `StudySuite` in a test file and name a space file; pytest does the rest:

    from search.testing import StudySuite

    class TestMine(StudySuite):
        space_file = "mine.yaml"

Each test trains one or two epochs of the first corner of the space, on the CPU and without Ray.
"""

from __future__ import annotations

import json
import math
import pickle
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest

from results.records.tables import name_trouble
from search.protocol import Study, TrainingRun
from search.space.reading import read_space
from search.space.schema import Space
from search.studies import STUDY_MEMBERS, import_study

UNKNOWN = "no_study_knows_this_key"


@cache
def _opened(file: Path) -> tuple[Space, type[Study], Study]:
    """Return what a search makes of a space file before its first trial: its space, the study's class, the study."""
    read = read_space(file)
    kind = import_study(read.study, file)
    space = read.model_copy(update={"fixed": kind.resolve(read.fixed, file.parent)})
    return space, kind, kind(space.fixed)


class StudySuite:
    """The tests that a study passes before it is searched.

    Attributes:
        space_file: A space that names the study; relative to the working folder.
    """

    space_file: ClassVar[str | Path]

    @property
    def _path(self) -> Path:
        return Path(self.space_file).absolute()

    @property
    def space(self) -> Space:
        """The space, its fixed part resolved."""
        return _opened(self._path)[0]

    @property
    def kind(self) -> type[Study]:
        """The study's class."""
        return _opened(self._path)[1]

    @property
    def study(self) -> Study:
        """The study as a worker has it: pickled and read back, its arrays read-only, since Ray shares their memory."""
        buffers: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(_opened(self._path)[2], protocol=5, buffer_callback=buffers.append)
        loaded: Study = pickle.loads(pickled, buffers=[memoryview(b.raw()).toreadonly() for b in buffers])
        return loaded

    def configuration(self, corner: int = 0, seed: int = 1, **changes: Any) -> dict[str, Any]:
        """Return a complete configuration at one corner of the space."""
        parameters = list(self.space.corners())[corner][1]
        return {**self.space.configuration(parameters, seed), "threads": 1, **changes}

    def trained(self, study: Study, epochs: int, seed: int = 1) -> TrainingRun:
        """Return a run after so many epochs."""
        run = study.trial(self.configuration(seed=seed), "cpu")
        for _ in range(epochs):
            run.train_epoch()
        return run

    def test_it_has_what_a_search_calls(self) -> None:
        """The class has `metrics`, `resolve`, `check`, `provenance` and `trial`, and measures what is searched for."""
        missing = [name for name in STUDY_MEMBERS if not hasattr(self.kind, name)]
        assert not missing, f"{self.kind.__name__} has no {', '.join(missing)}"
        unknown = set(self.space.metrics) - set(self.kind.metrics)
        assert not unknown, f"objectives or guards of {self.space_file} that it does not measure: {sorted(unknown)}"

    def test_resolving_twice_changes_nothing_more(self, tmp_path: Path) -> None:
        """What `resolve` returns is plain and depends on no folder any more: a resumed run resolves it again."""
        fixed = self.space.fixed
        assert json.loads(json.dumps(fixed)) == fixed, "resolve has to return what JSON can hold"
        assert self.kind.resolve(fixed, tmp_path) == fixed

    def test_a_typo_is_refused_in_one_line_that_names_it(self, tmp_path: Path) -> None:
        """An unknown key is a ValueError whose message begins with the key, from `resolve` and from `check`."""
        for ask in (
            lambda: self.kind.resolve({**self.space.fixed, UNKNOWN: 1}, tmp_path),
            lambda: self.study.check(self.configuration(**{UNKNOWN: 1})),
        ):
            with pytest.raises(ValueError, match=rf"\A{UNKNOWN}\b[^\n]*\Z"):
                ask()

    def test_every_corner_can_be_trained_on(self) -> None:
        """`check` accepts the corners of the space, which is all that is tried before the search begins."""
        study = self.study
        for corner in range(len(list(self.space.corners()))):
            study.check(self.configuration(corner))

    def test_it_says_in_lines_what_it_prepares(self, tmp_path: Path) -> None:
        """`prepare`, where the study has it, returns lines of text, the same when it finds what it kept."""
        corners = [self.configuration(corner) for corner in range(len(list(self.space.corners())))]
        prepared: list[list[str]] = []
        for _ in range(2):
            prepare = getattr(self.study, "prepare", None)
            prepared.append(prepare(corners, tmp_path) if prepare else [])
        first, again = prepared
        assert first == again
        for line in first:
            assert isinstance(line, str), f"prepare has to return lines of text, not {line!r}"
            assert "\n" not in line, f"what prepare says is one line, not {line!r}"

    def test_provenance_is_plain_and_the_same_each_time(self) -> None:
        """`provenance` is what JSON can hold, and equal for equal data: it decides what may be resumed and reused."""
        study = self.study
        assert json.loads(json.dumps(study.provenance())) == self.study.provenance() == study.provenance()

    def test_losses_and_metrics_are_finite_numbers(self) -> None:
        """`train_epoch` returns `loss`; `evaluate` all of `metrics`, under names that no table has taken."""
        run = self.trained(self.study, 0)
        losses, measured = run.train_epoch(), run.evaluate()
        assert "loss" in losses
        assert set(measured) >= set(self.kind.metrics), f"not measured: {set(self.kind.metrics) - set(measured)}"
        _check_finite({**losses, **measured})
        judged = [objective.metric for objective in self.space.objectives]
        taken = {name for name in (*losses, *measured) if name_trouble(name, judged) or name in self.space.columns}
        assert not taken, f"names of columns or parameters: {taken}"
        both = {*losses} & {*measured}
        assert not both, f"names of losses and of metrics: {both}"

    def test_measuring_changes_nothing(self) -> None:
        """`evaluate` twice gives the same, and training goes on as if it had not been called."""
        study = self.study
        looked, blind = self.trained(study, 1), self.trained(study, 1)
        assert _same(looked.evaluate(), looked.evaluate())
        looked.train_epoch()
        blind.train_epoch()
        assert _same(looked.evaluate(), blind.evaluate())

    def test_a_trial_depends_on_its_configuration_alone(self) -> None:
        """The same configuration gives the same values, whatever was trained on the same worker before it."""
        study = self.study
        first = self.trained(study, 1).evaluate()
        self.trained(study, 1, seed=2)
        assert _same(self.trained(study, 1).evaluate(), first)
        assert _same(self.trained(self.study, 1).evaluate(), first)

    def test_a_restored_run_goes_on_to_the_same_values(self, tmp_path: Path) -> None:
        """A run that was saved after one epoch and restored elsewhere ends as one that was never interrupted."""
        study = self.study
        whole = self.trained(study, 1)
        whole.save(tmp_path)
        restored = self.trained(self.study, 0)
        restored.restore(tmp_path)
        for run in (whole, restored):
            run.train_epoch()
        assert _same(restored.evaluate(), whole.evaluate())

    def test_a_training_that_goes_on_is_its_stages_in_one_go(self, tmp_path: Path) -> None:
        """With a `sweep` in the space, a run restored at the end of a stage ends as one that trained all stages."""
        sweep = self.space.sweep
        if sweep is None:
            return
        ends = self.space.parameters[sweep.parameter].corners()
        stages = [{sweep.parameter: value, "epochs": 1} for value in (ends[0], ends[-1])]
        both = self.configuration() | {sweep.parameter: ends[-1], "epochs": 2, "stages": stages}
        study = self.study
        study.check(both)
        first = study.trial(self.configuration() | {sweep.parameter: ends[0], "epochs": 1}, "cpu")
        first.train_epoch()
        first.save(tmp_path)
        whole, restored = (study.trial(both, "cpu") for _ in range(2))
        whole.train_epoch()
        restored.restore(tmp_path)
        for run in (whole, restored):
            run.train_epoch()
        assert _same(restored.evaluate(), whole.evaluate())

    def test_the_model_is_exported_into_its_folder_alone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """`export` writes `model.safetensors` where it is told to, and nothing into the working folder."""
        run, elsewhere, target = self.trained(self.study, 1), tmp_path / "elsewhere", tmp_path / "target"
        elsewhere.mkdir()
        target.mkdir()
        monkeypatch.chdir(elsewhere)
        run.export(target)
        assert (target / "model.safetensors").is_file()
        assert list(elsewhere.iterdir()) == []

    def test_it_needs_no_search(self) -> None:
        """The study's module imports nothing of the search, so that a trial can be trained again without Ray."""
        held = vars(sys.modules[self.kind.__module__]).values()
        assert not {(getattr(x, "__module__", None) or "").split(".")[0] for x in held} & {"search", "ray"}


def _check_finite(values: Mapping[str, Any]) -> None:
    wrong = {name: value for name, value in values.items() if not isinstance(value, int | float) or math.isinf(value)}
    assert not wrong, f"no finite numbers: {wrong}"


def _same(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    return a.keys() == b.keys() and all(a[name] == b[name] or (a[name] != a[name] and b[name] != b[name]) for name in a)
