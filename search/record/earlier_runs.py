"""What earlier runs give to a new one: trials to take over, points to try first, and values for the sampler.

A finished trial is taken over where its content has the same key: the same study and code, the same data, and the same
configuration with its seed and number of epochs. Threads and the place in which it ran do not count. Values of an
earlier run count for the sampler alone; they are neither trials nor points of the front of this run. They are written
into the run folder, so that a resumed run knows them too.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from results.exceptions import RecordError
from results.records.files import write_atomically
from results.records.run import read_curves
from search.record.checkpoints import TRIALS_FOLDER
from search.record.origin import basis, mark
from search.record.run_folder import CONFIGURATION_FILE, RunFolder, RunFolderError, has_model
from search.space.assignments import inside
from search.space.reading import SpaceError, read_document
from search.space.schema import Space
from search.trials import TrialRequest, TrialResult, TrialUpdate, now

WARM_START_FILE = "warm_start.json"


class ReusableTrial(NamedTuple):
    """A finished trial of an earlier run."""

    run: Path  # its folder, as it was named
    result: TrialResult  # with the trial's number in that run


class EarlierRun(NamedTuple):
    """A run folder that was read."""

    folder: Path  # as it was named
    space: Space  # what it searched, resolved
    provenance: dict[str, Any]
    finished: list[TrialResult]

    @property
    def basis(self) -> dict[str, Any]:
        """What its last results depend on besides the configuration: code and data."""
        return basis(self.provenance)

    def basis_of(self, result: TrialResult) -> dict[str, Any]:
        """Return the same of one result, which may be of earlier code."""
        return basis(self.provenance, result.code)


def read_earlier(folder: Path) -> EarlierRun:
    """Read a run folder.

    Raises:
        RunFolderError: It holds no run, or its records are damaged.
    """
    run = RunFolder(folder)
    if not run.holds_run:
        raise RunFolderError(f"{folder}: holds no run; give the folder of an earlier one, such as runs/tradeoff")
    try:
        space, provenance = run.read_space()
        finished = [result for result in run.ended(space) if result.state == "finished"]
        return EarlierRun(folder, space, provenance, finished)
    except (SpaceError, RecordError) as error:
        raise RunFolderError(str(error)) from None


def content_key(space: Space, basis: Mapping[str, Any], parameters: Mapping[str, Any], seed: int) -> str:
    """Return the key of a trial's content, 64 hexadecimal digits."""
    configuration = space.configuration(parameters, seed)
    configuration.pop("threads", None)
    content = {"study": space.study, "configuration": configuration, "basis": dict(basis)}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


class Reusable:
    """Finished trials of earlier runs by their content."""

    def __init__(self, space: Space, basis: Mapping[str, Any], runs: Iterable[EarlierRun], folder: Path):
        """Index earlier runs for the run in `folder`; those without a record of their code have no equal trials."""
        self._space = space
        self._basis = dict(basis)
        self._folder = folder
        self._known: dict[str, ReusableTrial] = {}
        self._seeds: dict[str, list[int]] = {}
        self.without_model: Counter[Path] = Counter()  # finished trials that cannot be taken over, by their run
        for run in runs:
            for result in run.finished:
                request, origin = result.request, run.basis_of(result)
                if origin["code"] is None:
                    continue
                if not has_model(run.folder, request.trial):
                    self.without_model[run.folder] += 1
                    continue
                key = content_key(run.space, origin, request.parameters, request.seed)
                if key not in self._known:
                    self._known[key] = ReusableTrial(run.folder, result)
                    self._seeds.setdefault(_point(request.parameters), []).append(request.seed)

    def __len__(self) -> int:
        return len(self._known)

    def seeds(self, parameters: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the seeds with which a point has been trained already, in their order."""
        return tuple(
            seed
            for seed in self._seeds.get(_point(parameters), ())
            if content_key(self._space, self._basis, parameters, seed) in self._known
        )

    def fetch(self, request: TrialRequest) -> TrialUpdate | None:
        """Return an equal finished trial as this run's own, its model copied over; None where there is none."""
        known = self._known.get(content_key(self._space, self._basis, request.parameters, request.seed))
        if known is None:
            return None
        found, number = known.result, known.result.request.trial
        if not has_model(known.run, number):
            return None
        source = known.run / TRIALS_FOLDER / str(number)
        target = self._folder / TRIALS_FOLDER / str(request.trial)
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=_links)  # a stranger's link may lead anywhere
        reason = f"reused: trial {number} of {known.run}"
        result = TrialResult(request, "finished", reason, found.epochs, ended=now(), metrics=found.metrics)
        result = replace(result, inherited=found.inherited)
        return TrialUpdate(result, _curve(known.run, number), evaluated=True)


def read_points(files: Sequence[Path], space: Space, option: str = "--start") -> tuple[dict[str, Any], ...]:
    """Read a starting point from each file: a configuration, or a folder with one, such as an earlier `best/knee`.

    Messages begin with the option that the files belong to.

    Returns:
        Of each file the values of what is searched.

    Raises:
        SpaceError: A file is no YAML, has nothing that is searched, or a value outside what is searched.
    """
    points = []
    for given in files:
        file = given / CONFIGURATION_FILE if given.is_dir() else given
        configuration = read_document(file)
        found = {name: inside(configuration, name, absent=...) for name in space.parameters}
        # Null leaves a parameter open where it is none of the values: a configuration may have it for a default.
        point = {
            name: value
            for name, value in found.items()
            if value is not ... and (value is not None or space.parameters[name].has(None))
        }
        if not point:
            raise SpaceError(f"{option} {file}: has no value of what is searched ({', '.join(space.parameters)})")
        for name, value in point.items():
            if not space.parameters[name].has(value):
                raise SpaceError(f"{option} {file}: {name}: {value!r} is outside what is searched")
        points.append(space.active(point))
    return tuple(points)


def write_warm_start(results: Sequence[TrialResult], folder: Path) -> None:
    """Write what the sampler begins with into a run folder."""
    if results:
        rows = [{"parameters": o.request.parameters, "seed": o.request.seed, "metrics": o.metrics} for o in results]
        write_atomically(folder / WARM_START_FILE, json.dumps(rows, indent=1) + "\n")


def read_warm_start(folder: Path) -> list[TrialResult]:
    """Read what `write_warm_start` wrote; nothing where a run began without.

    Raises:
        RunFolderError: The file is damaged.
    """
    file = folder / WARM_START_FILE
    if not file.exists():
        return []
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
        return [
            TrialResult(TrialRequest(number, row["parameters"], row["seed"]), "finished", metrics=row["metrics"])
            for number, row in enumerate(rows)
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"{file}: cannot be read ({type(error).__name__}: {error}); restore it, or remove it to go on without"
        ) from None


def check_comparable(run: EarlierRun, space: Space, basis: Mapping[str, Any]) -> None:
    """Refuse to begin with the values of a run that measured something else.

    Raises:
        RunFolderError: Study, fixed configuration, objectives, epochs, code or data differ.
    """
    pairs: list[tuple[str, Any, Any]] = [
        ("study", run.space.study, space.study),
        ("objectives", run.space.objectives, space.objectives),
        ("budget.epochs", run.space.budget.epochs, space.budget.epochs),
        ("data", run.basis.get("study"), basis.get("study")),
        ("code", run.basis.get("code"), basis.get("code")),
    ]
    keys = sorted({*run.space.fixed, *space.fixed})
    pairs += [(f"fixed.{key}", run.space.fixed.get(key), space.fixed.get(key)) for key in keys]
    for name, theirs, ours in pairs:
        if theirs != ours:
            detail = f" ({theirs} there, {ours} here)" if isinstance(ours, int | str) and name != "code" else ""
            raise RunFolderError(
                f"--warm-start {run.folder}: its {name} differs{detail}, so its values cannot be compared; "
                "leave it out, or start from its points alone with --start"
            )


def fitting(run: EarlierRun, space: Space) -> list[TrialResult]:
    """Return the finished trials of a run, of its last code, that are points of a space."""
    anywhere = {name: parameter.corners()[0] for name, parameter in space.parameters.items()}
    found = []
    for result in [result for result in run.finished if result.code == mark(run.provenance)]:
        point = result.request.parameters
        inside = space.active(point) == point and all(
            space.parameters[name].has(space.parameters[name].configured(value)) for name, value in point.items()
        )
        if inside and set(point) == set(space.active({**anywhere, **point})):
            found.append(result)
    return found


def _links(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(folder, name).is_symlink()]


def _curve(run: Path, number: int) -> tuple[dict[str, float], ...]:
    curves = read_curves(run)
    rows: Sequence[Mapping[Any, Any]] = curves[curves["trial"] == str(number)].drop(columns="trial").to_dict("records")
    measured = [{str(key): float(value) for key, value in row.items() if pd.notna(value)} for row in rows]
    return tuple({**row, "epoch": int(row["epoch"])} for row in measured)


def _point(parameters: Mapping[str, Any]) -> str:
    return json.dumps(dict(parameters), sort_keys=True, default=str)
