"""Owns why trials did not count: each with its reason, and the reasons with how often they occur."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from results.front.front import broken_guards
from results.front.overview import Overview

NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(\.\d+)?(e[-+]?\d+)?(?![\w.])")


class NotCounted(NamedTuple):
    """A trial, or a point with several seeds, that is no candidate for the front.

    Attributes:
        run: Label of its run.
        trial: Its id.
        state: As recorded.
        reason: Why.
        epochs: Trained; pandas' NA if unknown.
    """

    run: str
    trial: str
    state: str
    reason: str
    epochs: object


class Reason(NamedTuple):
    """A reason and the trials that it holds for.

    Attributes:
        state: As recorded.
        text: The reason; numbers that differ from trial to trial are "…".
        trials: Which, in the order of the record.
    """

    state: str
    text: str
    trials: list[NotCounted]


def not_counted(view: Overview) -> list[NotCounted]:
    """Return every trial, or point with several seeds, that is no candidate for the front, with the reason."""
    found = []
    pooled = view.points.table
    for label, run in view.runs.items():
        points = pooled[pooled["run"] == label] if "run" in pooled else pooled
        broken = broken_guards(points, run.space.guards)
        counts = view.points.seeds[points.index.to_numpy()]
        for (_, row), guards, seeds in zip(points.iterrows(), broken, counts, strict=True):
            of = f" by the means of {seeds} seeds" if seeds > 1 else ""
            missing = _not_finite(view, row)
            if row["state"] != "finished" or guards or missing:
                kept = f"guard not kept{of}: {guards}" if guards else missing
                reason = row["reason"] or (kept if row["state"] == "finished" else "no reason recorded")
                found.append(NotCounted(label, str(row["trial"]), str(row["state"]), reason, row["epochs"]))
    return found


def reasons(trials: Sequence[NotCounted]) -> list[Reason]:
    """Put trials with the same reason together, the most frequent first.

    Of a failure the numbers do not count: "nan at epoch 3" and "nan at epoch 7" are one reason. Those of a guard do.
    """
    grouped: dict[tuple[str, str], list[NotCounted]] = {}
    for trial in trials:
        text = trial.reason if trial.state == "finished" else NUMBER.sub("…", trial.reason)
        grouped.setdefault((trial.state, text), []).append(trial)
    found = []
    for (state, text), members in grouped.items():
        exact = {member.reason for member in members}
        found.append(Reason(state, exact.pop() if len(exact) == 1 else text, members))
    return sorted(found, key=lambda reason: -len(reason.trials))


def _not_finite(view: Overview, row: pd.Series) -> str:
    missing = [o.metric for o in view.objectives if not abs(row.get(o.metric, float("nan"))) < float("inf")]
    return f"no finite {', '.join(missing)}" if missing else ""
