"""The command line `python -m results.compare RUN ... --with RUN ...`: two groups of runs, compared."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import pandas as pd

from results.aggregate import labelled_runs
from results.charts.print.groups import draw_difference
from results.command import PATH, run_command
from results.exceptions import RecordError
from results.export.latex import write_table
from results.front.attainment import run_fronts
from results.front.comparison import Comparison, compare, sentence
from results.front.indicators import indicators
from results.front.overview import Overview, overview
from results.records.objectives import minimised, objective_values
from results.records.space import SPACE_FILE

DEFAULT_OUT = Path("runs/comparison")


@click.command("python -m results.compare")
@click.argument("runs", nargs=-1, required=True, type=PATH, metavar="RUN...")
@click.option("--with", "others", multiple=True, required=True, type=PATH, metavar="RUN...", help="the second group")
@click.option("--names", nargs=2, metavar="A B", help="of the two groups")
@click.option(
    "--out", type=PATH, metavar="FOLDER", default=DEFAULT_OUT, help=f"where tables and figure go ({DEFAULT_OUT})"
)
def compare_groups(runs: Sequence[Path], others: Sequence[Path], names: tuple[str, str] | None, out: Path) -> int:
    """Compare two groups of runs: hypervolumes with a two-sided test and the size of the effect.

    Also where in objective space one group's fronts reach more often. The runs stay as they are.
    """
    paths, lines = compare_runs((runs, others), _names(names), out)
    print(*lines, *(f"  {path}" for path in paths), sep="\n")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    return run_command(compare_groups, arguments, several=("--with",))


def compare_runs(
    groups: tuple[Sequence[Path], Sequence[Path]], names: tuple[str, str], out: Path
) -> tuple[list[Path], list[str]]:
    """Compare two groups of runs, and write tables and figure to a folder that is made if it is missing.

    Returns:
        The files, and what came out, in lines to print.

    Raises:
        RecordError: A run cannot be read, is given twice, or was judged by other objectives; or `out` is a run folder.
    """
    if (out / SPACE_FILE).exists():
        raise RecordError(f"{out}: is a run folder; give --out another folder")
    runs = labelled_runs([*groups[0], *groups[1]])
    view = overview(runs, title=f"{names[0]} and {names[1]}")
    fronts = run_fronts(view)
    count = len(groups[0])
    table = _run_table(view, fronts, names, count)
    volumes = table["hypervolume"].tolist()
    found = compare(volumes[:count], volumes[count:], names)
    out.mkdir(parents=True, exist_ok=True)
    paths = [*write_table(table, out, "runs", "Fronts of single runs; indicators against the front of all of them")]
    paths += write_table(_test_table(found), out, "test", sentence(found))
    warnings = [*view.warnings, *_unequal(view)]
    if len(view.objectives) != 2:
        warnings.append("differences of attainment are drawn for two objectives only")
    elif len(view.front):
        paths += draw_difference((fronts[:count], fronts[count:]), names, view.objectives, out, "difference")
    notes = [f"warning: {line}" for line in warnings]
    return paths, [*_lines(table), sentence(found), f"Test: {found.method}.", *notes]


def _run_table(view: Overview, fronts: Sequence[np.ndarray], names: tuple[str, str], count: int) -> pd.DataFrame:
    union = minimised(objective_values(view.front, view.objectives), view.objectives)
    rows = []
    for number, ((label, run), front) in enumerate(zip(view.runs.items(), fronts, strict=True)):
        finished = int((run.trials["state"] == "finished").sum())
        quality = indicators(front, union, view.objectives)._asdict()
        rows.append({"group": names[number >= count], "run": label, "finished": finished, **quality})
    return pd.DataFrame(rows)


def _test_table(found: Comparison) -> pd.DataFrame:
    row: dict[str, object] = {}
    for number, of in enumerate(zip(found.names, found.runs, found.means, found.stds, strict=True), start=1):
        row |= {f"{what}_{number}": value for what, value in zip(("group", "runs", "mean", "std"), of, strict=True)}
    row |= {"difference": found.difference, "effect_a": found.effect, "p": found.p}
    return pd.DataFrame([row | {"smallest_possible_p": found.smallest_p, "method": found.method}])


def _lines(table: pd.DataFrame) -> list[str]:
    """Return the table of runs as lines for a terminal."""
    shown = table[["group", "run", "finished", "front_size", "hypervolume", "additive_epsilon", "igd_plus"]]
    return shown.to_string(index=False, float_format=lambda value: f"{value:.4g}", na_rep="").splitlines()


def _unequal(view: Overview) -> list[str]:
    ended = [int((run.trials["state"] != "interrupted").sum()) for run in view.runs.values()]
    if len(set(ended)) == 1:
        return []
    return [
        f"the runs ended {min(ended)} to {max(ended)} trials; a larger budget alone gives a larger hypervolume, so "
        "compare runs of equal budget"
    ]


def _names(given: Sequence[str] | None) -> tuple[str, str]:
    first, second = given or ("A", "B")
    if first == second:
        raise RecordError(f"--names: both groups are named {first!r}; give two names")
    return first, second


if __name__ == "__main__":
    sys.exit(main())
