"""What all outputs show: trials, points, front, histories and verdicts of one run, or of several together.

Several runs can be put together if they have the same objectives. Each run's own guards decide which of its
trials count. Points of different runs stay apart, whatever their parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from results.exceptions import RecordError
from results.front.dominance import contributions
from results.front.front import (
    broken_guards,
    eligible,
    front,
    hypervolume,
    hypervolume_history,
    points_of,
    reference_point,
)
from results.front.noise import Halves, MeasuredAgain, Spread, front_shares, halves, measured_again, pooled_spread
from results.front.points import SEEDS_COLUMN, Points, std_column, with_spread
from results.front.seeds import SINGLE_RUN_COLUMN, Seeds, seeds_of, single_run_probability
from results.records.objectives import Objective, minimised, objective_values
from results.records.run import Run, metric_names
from results.records.tables import AGAIN, BOOKKEEPING

Verdict = Literal["front", "dominated", "guard", "unfinished"]
ON_FRONT_COLUMN, CONTRIBUTION_COLUMN = "on_front_probability", "contribution"


@dataclass(frozen=True, eq=False)  # one object is one overview: what is worked out of it is kept by identity
class Overview:
    """One run, or several together.

    Attributes:
        title: Name of the run, or of the union.
        runs: By label.
        objectives: What all of them were judged by.
        trials: All trials; with a first column `run` if there are several runs.
        points: The points of the trials; its table has a first column `run` as well if there are several runs.
        verdicts: One per row of the points' table: on the front, dominated, a guard broken, or no finished trial with
            finite objectives.
        front: The front, as `results.front.front` gives it, with what each point contributes to the hypervolume; where
            points have several seeds, also with how sure it is to be there, and the means of the seeds that did not
            choose it.
        hypervolume: Of the front.
        spread: Of the seeds of a point; None where no point has several.
        again: The front measured by seeds that did not choose it; None where there are none.
        histories: Growth of each run's own front.
        warnings: One line per thing the reader has to know.
    """

    title: str
    runs: dict[str, Run]
    objectives: tuple[Objective, ...]
    trials: pd.DataFrame
    points: Points
    verdicts: tuple[Verdict, ...]
    front: pd.DataFrame
    hypervolume: float
    spread: Spread | None
    again: MeasuredAgain | None
    histories: dict[str, pd.DataFrame]
    warnings: tuple[str, ...]

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Parameters of all runs, in the order of the first run that has them."""
        return tuple(dict.fromkeys(name for run in self.runs.values() for name in run.space.parameter_names))

    @property
    def unit(self) -> str:
        """What a row of the points' table is called: "trial" where every point has one seed, else "point"."""
        return "point" if self.points.repeated else "trial"

    @property
    def counted(self) -> np.ndarray:
        """Which rows of the points' table, (rows,), are candidates for the front: on it, or dominated."""
        return np.array([verdict in ("front", "dominated") for verdict in self.verdicts], dtype=bool)

    @property
    def seeds(self) -> np.ndarray:
        """Positions of the trials, (seeds,), that are seeds of a point with several, if the point counts."""
        return np.flatnonzero((self.counted & (self.points.seeds > 1))[self.points.owner])

    def run_of(self, table: pd.DataFrame) -> np.ndarray:
        """Return the label of the run of each row, (rows,), of a table with a column `run` if there are several."""
        (first, *_) = self.runs
        return table["run"].to_numpy(dtype=object) if "run" in table else np.full(len(table), first, dtype=object)


def overview(runs: dict[str, Run], title: str) -> Overview:
    """Put runs together, at least one, by the label that tells each from the others.

    Raises:
        RecordError: The runs' objectives differ, or a finished trial lacks an objective or a guard.
    """
    objectives = _same_objectives(runs)
    points = {
        label: points_of(run.trials, objectives, run.space.guards, run.space.parameter_names)
        for label, run in runs.items()
    }
    able = {label: eligible(points[label].table, objectives, run.space.guards) for label, run in runs.items()}
    trials = _together(runs, {label: run.trials for label, run in runs.items()})
    pooled = with_spread(_pooled(runs, points, trials), objectives)
    counts = np.concatenate(list(able.values()))
    best = front(pooled.table[counts], objectives, ())
    seeds = seeds_of_runs(runs, trials, pooled)
    spread, parted = pooled_spread(seeds), _halves(runs, points)
    return Overview(
        title=title,
        runs=runs,
        objectives=objectives,
        trials=trials,
        points=pooled,
        verdicts=_verdicts(pooled.table, counts, best, objectives),
        front=_described(best, pooled, counts, seeds, spread, parted, objectives),
        hypervolume=hypervolume(best, objectives),
        spread=spread,
        again=measured_again(parted, spread, reference_point(objectives)),
        histories={
            label: hypervolume_history(run.trials, objectives, run.space.guards, run.space.parameter_names)
            for label, run in runs.items()
        },
        warnings=tuple(
            line
            for label, run in runs.items()
            for line in (*_labelled(label, run), *_no_front(label, run, able[label]))
        )
        + beyond_reference(best, objectives)
        + _different_guards(runs),
    )


def again_text(view: Overview) -> str:
    """Say what the front's hypervolume is by seeds that did not choose it, as in "measured again: 0.54 ± 0.02"."""
    if view.again is None:
        return "not measured again" if view.front.empty else "one seed a point: expect less"
    return f"measured again: {view.again.hypervolume:.4g} ± {view.again.std:.2g}"


def _labelled(label: str, run: Run) -> list[str]:
    """Return the warnings of a run, which name files by the run's title, under a label that may be another."""
    return [line if label == run.title else f"{label}: {line}" for line in run.warnings]


def beyond_reference(best: pd.DataFrame, objectives: Sequence[Objective]) -> tuple[str, ...]:
    """Return a line where no point of a front is better than the reference in every objective: it has no volume."""
    if best.empty or hypervolume(best, objectives) > 0:
        return ()
    references = ", ".join(f"{o.metric} {o.reference:g}" for o in objectives)
    return (
        f"no point on the front is better than the reference in every objective ({references}), so its hypervolume is "
        "0; give references that a useful trial betters",
    )


def again_column(objective: Objective) -> str:
    """Return the name of the column that holds an objective's mean over the seeds that did not choose the point."""
    return objective.metric + AGAIN


def _described(
    best: pd.DataFrame,
    points: Points,
    counts: np.ndarray,
    seeds: Seeds,
    spread: Spread | None,
    parted: Halves,
    objectives: Sequence[Objective],
) -> pd.DataFrame:
    """Add to a front what its points contribute, how sure they are to be on it, and what their other seeds say."""
    best = best.copy()
    values = minimised(objective_values(best, objectives), objectives)
    _insert(best, (SEEDS_COLUMN, "trial"), CONTRIBUTION_COLUMN, contributions(values, reference_point(objectives)))
    if spread is None or not points.repeated:
        return best
    places = {key: row for row, key in enumerate(row_keys(points.table))}
    rows = [places[key] for key in row_keys(best)]
    able = np.flatnonzero(counts)
    means = minimised(objective_values(points.table, objectives), objectives)
    shares = np.full(len(counts), np.nan)
    shares[able] = front_shares(means[able], points.seeds[able], spread)
    alone = [single_run_probability(seeds, row) if points.seeds[row] > 1 else np.nan for row in rows]
    _insert(best, (SEEDS_COLUMN, "trial"), SINGLE_RUN_COLUMN, np.array(alone, dtype=float))
    _insert(best, (SEEDS_COLUMN, "trial"), ON_FRONT_COLUMN, shares[rows])
    again = minimised(parted.others, objectives)[rows]
    for number, objective in enumerate(objectives):
        _insert(best, (std_column(objective), objective.metric), again_column(objective), again[:, number])
    return best


def _insert(table: pd.DataFrame, beside: Sequence[str], name: str, values: np.ndarray) -> None:
    """Put a column behind the first of some that is there; one that the study has recorded stays what it is."""
    place = next(column for column in beside if column in table)
    if name not in table:
        table.insert(list(table.columns).index(place) + 1, name, values)


def _halves(runs: dict[str, Run], points: dict[str, Points]) -> Halves:
    """Return the points of all runs by the seed that chose them, and by their others."""
    parts = [
        halves(run.trials, points[label].owner, len(points[label].seeds), run.space.objectives, run.space.guards)
        for label, run in runs.items()
    ]
    return Halves(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def seeds_of_runs(runs: dict[str, Run], trials: pd.DataFrame, points: Points) -> Seeds:
    """Return the seeds of all points; each run's own guards say which may be on a front."""
    objectives = next(iter(runs.values())).space.objectives
    able = [eligible(run.trials, objectives, run.space.guards) for run in runs.values()]
    return seeds_of(trials, points.owner, np.concatenate(able), objectives)


def row_keys(table: pd.DataFrame) -> list[tuple[object, ...]]:
    """Return what names each row: its trial, with its run where there are several."""
    columns = [name for name in ("run", "trial") if name in table]
    return list(table[columns].itertuples(index=False, name=None))


def _same_objectives(runs: dict[str, Run]) -> tuple[Objective, ...]:
    (first, reference), *_ = runs.items()
    objectives = reference.space.objectives
    for run in runs.values():
        if _judged(run.space.objectives) != _judged(objectives):
            raise RecordError(
                f"{run.folder}: its objectives ({_text(run.space.objectives)}) differ from those of {first} "
                f"({_text(objectives)}); give runs with the same metrics, directions and reference values"
            )
    return objectives


def _judged(objectives: Sequence[Objective]) -> list[tuple[str, str, float]]:
    return [(objective.metric, objective.direction, objective.reference) for objective in objectives]


def _text(objectives: Sequence[Objective]) -> str:
    return ", ".join(f"{o.direction} {o.metric} from {o.reference:g}" for o in objectives)


def _together(runs: dict[str, Run], tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Put one table per run, with rows like those of its trials, below one another."""
    if len(runs) == 1:
        return next(iter(tables.values()))
    parameters = dict.fromkeys(name for run in runs.values() for name in run.space.parameter_names)
    metrics = sorted({name for run in runs.values() for name in metric_names(run.trials, run.space)})
    frames = [table.assign(run=label) for label, table in tables.items()]
    filled = [frame for frame in frames if len(frame)] or frames[:1]
    bookkeeping = [name for name in BOOKKEEPING if any(name in frame for frame in filled)]
    # Columns that only some runs have are filled with missing values.
    return pd.concat(filled, ignore_index=True).reindex(columns=["run", *bookkeeping, *parameters, *metrics])


def _pooled(runs: dict[str, Run], points: dict[str, Points], trials: pd.DataFrame) -> Points:
    """Return the points of all runs as one table."""
    repeated = any(each.repeated for each in points.values())
    offsets = np.cumsum([0, *(len(each.seeds) for each in points.values())])
    return Points(
        _together(runs, {label: each.table for label, each in points.items()}) if repeated else trials,
        np.concatenate([each.seeds for each in points.values()]),
        np.concatenate([each.std for each in points.values()]),
        np.concatenate([each.owner + offset for each, offset in zip(points.values(), offsets, strict=False)]),
    )


def _verdicts(
    points: pd.DataFrame, counts: np.ndarray, best: pd.DataFrame, objectives: Sequence[Objective]
) -> tuple[Verdict, ...]:
    front_keys = set(row_keys(best))
    on_front = np.array([key in front_keys for key in row_keys(points)], dtype=bool)
    finite = np.isfinite(objective_values(points, objectives)).all(axis=1)
    shown = finite & (points["state"] == "finished").to_numpy(dtype=bool)
    return tuple(np.select([on_front, counts, shown], ["front", "dominated", "guard"], "unfinished").tolist())


def _no_front(label: str, run: Run, able: np.ndarray) -> tuple[str, ...]:
    """Say why a run has no front."""
    if able.any():
        return ()
    finished = run.trials[(run.trials["state"] == "finished").to_numpy(dtype=bool)]
    if finished.empty:
        return (f"{label}: none of {len(run.trials)} recorded trials finished; the hypervolume is 0",)
    broken = broken_guards(finished, run.space.guards)
    counted = {str(guard): sum(str(guard) in line for line in broken) for guard in run.space.guards}
    reasons = [f"{guard} broken by {count}" for guard, count in counted.items() if count]
    return (
        f"{label}: none of {len(finished)} finished trials is on the front "
        f"({'; '.join(reasons) or 'no finite objectives'}); the hypervolume is 0",
    )


def _different_guards(runs: dict[str, Run]) -> tuple[str, ...]:
    if len({frozenset(run.space.guards) for run in runs.values()}) == 1:
        return ()
    return ("the runs have different guards; each run's own decide which of its trials count",)
