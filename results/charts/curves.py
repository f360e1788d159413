"""Group learning curves that are drawn alike: the front's, other trials', and those of trials that ended early."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from results.charts.style import CATEGORICAL, evenly, thinned_note
from results.front.overview import Overview, row_keys
from results.records.objectives import Objective

Kind = Literal["failed", "stopped", "other", "front", "named"]
# In the order of drawing: the front on top.
TITLES: dict[Kind, str] = {
    "failed": "failed or interrupted",
    "stopped": "stopped early",
    "other": "other trials",
    "front": "others on the front",
}
COLOURS: dict[Kind, str] = {"failed": "#c0756a", "stopped": "#8c929e", "other": "#8b939f", "front": "#5d6f8c"}
WIDTH: dict[Kind, float] = {"failed": 1.0, "stopped": 1.0, "other": 1.1, "front": 1.4, "named": 2.5}
ENDED_EARLY: tuple[Kind, ...] = ("stopped", "failed")
# 5,000 trials of 48 epochs would be 240,000 points per objective, which no browser draws as vectors.
MOST_CURVES, MOST_EPOCHS = 150, 60
MOST_ON_FRONT = 40  # more of these strong lines would hide the others


class Curve(NamedTuple):
    """One trial's values of one objective, in the order of its epochs."""

    title: str
    epochs: list[float]
    values: list[float]


class CurveGroup(NamedTuple):
    """Curves that look alike: those that are drawn, of how many in all."""

    name: str
    kind: Kind
    curves: list[Curve]
    total: int


@lru_cache(maxsize=8)  # the page and the print share it
def curve_groups(view: Overview, objective: Objective) -> list[CurveGroup]:
    """Return the curves of an objective in the order of drawing; named points have a group each.

    A group of many is thinned to `MOST_CURVES` trials, the front's to `MOST_ON_FRONT`, a curve of many epochs to
    `MOST_EPOCHS`.
    """
    measured = {
        label: _measured(run.curves, objective.metric)
        for label, run in view.runs.items()
        if objective.metric in run.curves
    }
    groups: dict[tuple[Kind, str], list[tuple[str, np.ndarray]]] = {(kind, title): [] for kind, title in TITLES.items()}
    for names in view.front["names"]:
        if names:
            groups.setdefault(("named", names.replace("+", " + ")), [])
    for (label, trial), group in _kinds(view).items():
        if trial in measured.get(label, {}):
            title = f"trial {label} · {trial}" if len(view.runs) > 1 else f"trial {trial}"
            groups[group].append((title, measured[label][trial]))
    return [
        CurveGroup(name, kind, [_curve(*found[position]) for position in chosen], len(found))
        for (kind, name), found in groups.items()
        if len(chosen := evenly(len(found), MOST_ON_FRONT if kind == "front" else MOST_CURVES))
    ]


def thinning_notes(groups: Sequence[CurveGroup]) -> list[str]:
    """Say which groups are not drawn in full."""
    names = {"failed": "curves of failed or interrupted trials", "stopped": "curves of trials stopped early"}
    names |= {"other": "curves of other trials", "front": "other curves of the front"}
    notes = (thinned_note(len(g.curves), g.total, names.get(g.kind, f"curves of {g.name}")) for g in groups)
    return [note for note in notes if note]


def group_colours(groups: Sequence[CurveGroup]) -> list[str]:
    """Return a colour per group; named ones get those of the palette in turn."""
    named = [group.name for group in groups if group.kind == "named"]
    return [
        COLOURS.get(group.kind) or CATEGORICAL[named.index(group.name) % len(CATEGORICAL)]  # in the palette's order
        for group in groups
    ]


def _kinds(view: Overview) -> dict[tuple[str, str], tuple[Kind, str]]:
    """Return the group of every trial, by run and trial; all seeds of a point have its names."""
    named = dict(zip(row_keys(view.front), view.front["names"], strict=True))
    rows = row_keys(view.points.table)
    groups: dict[tuple[str, str], tuple[Kind, str]] = {}
    trials = zip(view.run_of(view.trials), view.trials["trial"], strict=True)
    for key, state, owner in zip(trials, view.trials["state"], view.points.owner, strict=True):
        names = named.get(rows[owner])
        kind: Kind = "other" if names is None else "named" if names else "front"
        if state != "finished":
            kind = "stopped" if state == "stopped" else "failed"
        groups[key] = (kind, (names or "").replace("+", " + ") if kind == "named" else TITLES[kind])
    return groups


def _measured(curves: pd.DataFrame, metric: str) -> dict[str, np.ndarray]:
    """Return epochs and values, (2, epochs), of each trial in which the metric was measured."""
    values = curves[metric].to_numpy()
    there = np.isfinite(values)
    codes, trials = pd.factorize(curves["trial"].to_numpy()[there])
    epochs = curves["epoch"].to_numpy()[there]
    order = np.lexsort([epochs, codes])
    codes, epochs, values = codes[order], epochs[order], values[there][order]
    # A trial that a restarted worker continued may have an epoch twice; the later one is what was trained on.
    last = np.append((codes[1:] != codes[:-1]) | (epochs[1:] != epochs[:-1]), True)[: len(codes)]
    pairs = np.stack([epochs[last], values[last]])
    ends = np.cumsum(np.bincount(codes[last], minlength=len(trials)))
    return dict(zip(trials.tolist(), np.split(pairs, ends[:-1], axis=1), strict=True)) if len(trials) else {}


def _curve(title: str, points: np.ndarray) -> Curve:
    return Curve(title, *points[:, evenly(points.shape[1], MOST_EPOCHS)].tolist())
