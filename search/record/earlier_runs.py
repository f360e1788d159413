"""What earlier runs know: finished trials whose work need not be done again.

Owns the key of a trial's content. Two trials with the same key are the same work: the same study and code, the same
data, and the same configuration with its seed and number of epochs. Threads and the place in which it ran do not count.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from results.records.errors import RecordError
from results.records.run import read_curves
from search.protocol import Study
from search.record.checkpoints import TRIALS_FOLDER
from search.record.run_folder import RunFolder, RunFolderError
from search.space.reading import SpaceError
from search.space.schema import Space
from search.trials import TrialRequest, TrialResult, TrialUpdate, now


class ReusableTrial(NamedTuple):
    """A finished trial of an earlier run.

    Attributes:
        run: Its folder, as it was named.
        result: With the trial's number in that run.
    """

    run: Path
    result: TrialResult


class EarlierRun(NamedTuple):
    """A run folder that was read.

    Attributes:
        folder: As it was named.
        space: What it searched, resolved.
        basis: What its results depend on besides the configuration: code and data.
        finished: Its finished trials.
    """

    folder: Path
    space: Space
    basis: dict[str, Any]
    finished: list[TrialResult]


def read_earlier(folder: Path) -> EarlierRun:
    """Read a run folder.

    Raises:
        RunFolderError: It holds no run, or its records are damaged.
    """
    run = RunFolder(folder)
    if not (run.path / "space.yaml").is_file():
        raise RunFolderError(f"{folder}: holds no run; give the folder of an earlier one, such as runs/tradeoff")
    try:
        space, provenance = run.read_space()
        return EarlierRun(folder, space, basis(provenance), _finished(run, space))
    except (SpaceError, RecordError) as error:
        raise RunFolderError(str(error)) from None


def basis(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return what results depend on besides the configuration, of a run's provenance."""
    return {key: provenance.get(key) for key in ("code", "study")}


def basis_now(study: Study) -> dict[str, Any]:
    """Return what the results of a study depend on besides the configuration, as it is now."""
    return {"code": code_fingerprint(sys.modules[type(study).__module__]), "study": study.provenance()}


def content_key(space: Space, basis: Mapping[str, Any], parameters: Mapping[str, Any], seed: int) -> str:
    """Return the key of a trial's content, 64 hexadecimal digits."""
    configuration = space.configuration(parameters, seed)
    configuration.pop("threads", None)
    content = {"study": space.study, "configuration": configuration, "basis": dict(basis)}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def code_fingerprint(module: Any) -> str:
    """Return a digest of the sources that a study is made of: its top-level package, or its module alone."""
    source = Path(module.__file__).resolve()
    depth = module.__name__.count(".")
    files = sorted(source.parents[depth - 1].rglob("*.py")) if depth else [source]
    root = source.parents[depth - 1] if depth else source.parent
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


class Reusable:
    """Finished trials of earlier runs by their content."""

    def __init__(self, space: Space, basis: Mapping[str, Any], runs: Iterable[EarlierRun], folder: Path):
        """Index earlier runs.

        Args:
            space: Of this run.
            basis: What its results depend on besides the configuration.
            runs: Where equal trials may be found; those without a record of their code have none.
            folder: Of this run.
        """
        self._space = space
        self._basis = dict(basis)
        self._folder = folder
        self._known: dict[str, ReusableTrial] = {}
        self._seeds: dict[str, list[int]] = {}
        for run in runs:
            if run.basis.get("code") is None:
                continue
            for result in run.finished:
                request = result.request
                key = content_key(run.space, run.basis, request.parameters, request.seed)
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
        source = known.run / TRIALS_FOLDER / str(number)
        if not source.is_dir():
            return None
        target = self._folder / TRIALS_FOLDER / str(request.trial)
        shutil.copytree(source, target, dirs_exist_ok=True)
        reason = f"reused: trial {number} of {known.run}"
        result = TrialResult(request, "finished", reason, found.epochs, ended=now(), metrics=found.metrics)
        return TrialUpdate(result, _curve(known.run, number), evaluated=True)


def _finished(run: RunFolder, space: Space) -> list[TrialResult]:
    return [result for result in run.ended(space) if result.state == "finished"]


def _curve(run: Path, number: int) -> tuple[dict[str, float], ...]:
    curves = read_curves(run)
    rows: Sequence[Mapping[Any, Any]] = curves[curves["trial"] == str(number)].drop(columns="trial").to_dict("records")
    measured = [{str(key): float(value) for key, value in row.items() if pd.notna(value)} for row in rows]
    return tuple({**row, "epoch": int(row["epoch"])} for row in measured)


def _point(parameters: Mapping[str, Any]) -> str:
    return json.dumps(dict(parameters), sort_keys=True, default=str)
