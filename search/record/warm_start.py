"""Beginning with what is known: points to try first, and values of an earlier run for the sampler.

Owns reading both and keeping them in the run folder, so that a resumed run knows them too. Values of an earlier run
count for the sampler alone; they are neither trials nor points of the front of this run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from results.records.files import write_atomically
from search.record.earlier_runs import EarlierRun
from search.record.run_folder import RunFolderError
from search.space.reading import SpaceError, read_document
from search.space.schema import Space
from search.trials import TrialRequest, TrialResult
from search.worker.trial_loop import CONFIGURATION_FILE

WARM_START_FILE = "warm_start.json"


def read_points(files: Sequence[Path], space: Space) -> tuple[dict[str, Any], ...]:
    """Read a starting point from each file: a configuration, or a folder with one, such as an earlier `best/knee`.

    Returns:
        Of each file the values of what is searched.

    Raises:
        SpaceError: A file is no YAML, has nothing that is searched, or a value outside what is searched.
    """
    points = []
    for given in files:
        file = given / CONFIGURATION_FILE if given.is_dir() else given
        configuration = read_document(file)
        point = {name: value for name in space.parameters if (value := _value(configuration, name)) is not None}
        if not point:
            raise SpaceError(f"--start {file}: has no value of what is searched ({', '.join(space.parameters)})")
        for name, value in point.items():
            if not space.parameters[name].has(value):
                raise SpaceError(f"--start {file}: {name}: {value!r} is outside what is searched")
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
    """Return the finished trials of a run that are points of a space."""
    return [
        result
        for result in run.finished
        if space.active(result.request.parameters) == result.request.parameters
        and all(space.parameters[name].has(value) for name, value in result.request.parameters.items())
        and set(result.request.parameters) == set(space.active({**_any_point(space), **result.request.parameters}))
    ]


def _any_point(space: Space) -> dict[str, Any]:
    return {name: parameter.corners()[0] for name, parameter in space.parameters.items()}


def _value(configuration: Any, dotted: str) -> Any:
    for key in dotted.split("."):
        configuration = configuration.get(key) if isinstance(configuration, Mapping) else None
    return configuration
