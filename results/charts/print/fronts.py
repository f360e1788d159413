"""Write `fronts/`: a run's fronts by groups and their attainment surfaces, as tables and as figures.

Figures are drawn for two objectives, surfaces computed for two and three; tables of groups are there for any number.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from results.charts.print.groups import draw_attainment, draw_groups
from results.export.latex import write_table
from results.front.attainment import Attainment, attainments, corner_table, run_fronts, surface_table, vorobev_table
from results.front.groups import Grouping, default_columns, group, group_table
from results.front.overview import Overview, seeds_of_runs
from results.records.files import remove_file
from results.records.names import file_stem, own_folder

FRONTS_FOLDER = "fronts"
STEMS = ("by_", "attainment_")
ENDINGS = (".csv", ".tex", ".png", ".svg")


def groupings_of(view: Overview, by: Sequence[str] | None) -> list[Grouping]:
    """Return the groupings by columns, or by several joined by commas; None for the usual ones.

    Raises:
        RecordError: No run has such a column.
    """
    return [group(view, name) for name in dict.fromkeys(default_columns(view) if by is None else by)]


def write_fronts(view: Overview, groupings: Sequence[Grouping], folder: Path) -> tuple[Path, ...]:
    """Write `fronts/` into a run's folder, or the union's; tables and figures of earlier groupings go.

    Returns:
        The files; none for a view without a front.
    """
    home = folder / FRONTS_FOLDER
    written: list[Path] = []
    if len(view.front):
        own_folder(home)
        for grouping in groupings:
            written += _write_grouping(view, grouping, home)
        for found in attainments(view):
            written += _write_attainment(view, found, home)
    for path in home.glob("*") if not home.is_symlink() else ():
        if path.name.startswith(STEMS) and path.suffix in ENDINGS and path not in written:
            remove_file(path)
    return tuple(written)


def _write_grouping(view: Overview, grouping: Grouping, home: Path) -> list[Path]:
    stem = "by_" + "-".join(map(file_stem, grouping.columns))
    goals = ", ".join(f"{objective.direction} {objective.metric}" for objective in view.objectives)
    note = (
        f"Fronts of {view.title} by {grouping.name} ({goals}). additive_epsilon and igd_plus: against the front of "
        "all, in units of its extent, 0 is best; union_share: of the points of the front of all"
    )
    paths = list(write_table(group_table(view, grouping), home, stem, note))
    return paths + (draw_groups(view, grouping, home, stem) if len(view.objectives) == 2 else [])


def _write_attainment(view: Overview, found: Attainment, home: Path) -> list[Path]:
    stem = f"attainment_{found.over}"
    note = f"What a share of {found.what} of {view.title} reaches"
    paths = [*write_table(surface_table(found, view.objectives), home, stem, note)]
    paths += write_table(vorobev_table(found), home, f"{stem}_vorobev", f"Vorob'ev deviation of {found.what}")
    paths += write_table(corner_table(found, view.objectives), home, f"{stem}_corners", f"{note}: the corners")
    if len(view.objectives) == 2:
        title = f"{view.title}: reached by a share of its {found.over}"
        paths += draw_attainment(found, _dots(view, found), view.objectives, title, home, stem)
    return paths


def _dots(view: Overview, found: Attainment) -> np.ndarray:
    """Return the points that the fronts consist of; of seeds, those of the points on the front."""
    if found.over == "runs":
        return np.vstack(run_fronts(view))
    seeds = seeds_of_runs(view.runs, view.trials, view.points)
    on_front = np.array([verdict == "front" for verdict in view.verdicts], dtype=bool)
    return seeds.values[seeds.able & on_front[seeds.owner]]
