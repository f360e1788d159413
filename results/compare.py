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
from results.front.points import epochs_spent
from results.records.objectives import minimised, objective_values
from results.records.run import Run
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

    Where points have several seeds, hypervolumes are those measured by the seeds that did not choose the front. Also
    where in objective space one group's fronts reach more often. The runs stay as they are.
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
        RecordError: A run cannot be read, is given twice, or was judged by other objectives; some runs have several
            seeds a point and others one; or `out` is a run folder.
    """
    if (out / SPACE_FILE).exists():
        raise RecordError(f"{out}: is a run folder; give --out another folder")
    runs = labelled_runs([*groups[0], *groups[1]])
    view = overview(runs, title=f"{names[0]} and {names[1]}")
    fronts = run_fronts(view)
    count = len(groups[0])
    again = _measured_again(runs)
    table = _run_table(view, fronts, names, count, again)
    volumes = table["measured_again" if again else "hypervolume"].tolist()
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
    what = "the hypervolumes measured again, by seeds that did not choose the front" if again else "the hypervolumes"
    return paths, [*_lines(table), sentence(found), f"Test: {found.method}, of {what}.", *notes]


def _measured_again(runs: dict[str, Run]) -> list[float]:
    """Return each run's hypervolume as measured again; none where no point has several seeds.

    Raises:
        RecordError: Some runs can be measured again and others cannot.
    """
    views = {label: overview({label: run}, label) for label, run in runs.items()}
    several = [label for label, view in views.items() if view.again is not None]
    alone = [label for label, view in views.items() if view.again is None and len(view.front)]
    if several and alone:
        raise RecordError(
            f"{alone[0]} has one seed a point and {several[0]} has several: a front of single seeds is larger by luck "
            "alone, so nothing can be told; give runs with the same replicates"
        )
    return [0.0 if view.again is None else view.again.hypervolume for view in views.values()] if several else []


def _run_table(
    view: Overview, fronts: Sequence[np.ndarray], names: tuple[str, str], count: int, again: Sequence[float]
) -> pd.DataFrame:
    union = minimised(objective_values(view.front, view.objectives), view.objectives)
    rows = []
    for number, ((label, run), front) in enumerate(zip(view.runs.items(), fronts, strict=True)):
        finished = int((run.trials["state"] == "finished").sum())
        quality = indicators(front, union, view.objectives)._asdict()
        measured = {"measured_again": again[number]} if again else {}
        rows.append({"group": names[number >= count], "run": label, "finished": finished, **measured, **quality})
    return pd.DataFrame(rows)


def _test_table(found: Comparison) -> pd.DataFrame:
    row: dict[str, object] = {}
    for number, of in enumerate(zip(found.names, found.runs, found.means, found.stds, strict=True), start=1):
        row |= {f"{what}_{number}": value for what, value in zip(("group", "runs", "mean", "std"), of, strict=True)}
    row |= {"difference": found.difference, "effect_a": found.effect, "p": found.p}
    return pd.DataFrame([row | {"smallest_possible_p": found.smallest_p, "method": found.method}])


def _lines(table: pd.DataFrame) -> list[str]:
    """Return the table of runs as lines for a terminal."""
    columns = ["group", "run", "finished", "front_size", "hypervolume", "measured_again"]
    columns += ["additive_epsilon", "igd_plus"]
    shown = table[[name for name in columns if name in table]]
    return shown.to_string(index=False, float_format=lambda value: f"{value:.4g}", na_rep="").splitlines()


def _unequal(view: Overview) -> list[str]:
    """Warn of each way in which the runs have had unequal chances."""
    tables = {label: view.points.table[view.run_of(view.points.table) == label] for label in view.runs}
    seeds = {label: view.points.seeds[table.index.to_numpy()] for label, table in tables.items()}
    epochs = {label: int(epochs_spent(run.trials).sum()) for label, run in view.runs.items()}
    ended = {label: int((run.trials["state"] != "interrupted").sum()) for label, run in view.runs.items()}
    counted = [
        ("ended {} trials", ended),
        ("tried {} points", {label: int((count > 0).sum()) for label, count in seeds.items()}),
        ("trained {} epochs", epochs),
        ("have at most {} seeds a point", {label: int(count.max(initial=0)) for label, count in seeds.items()}),
    ]
    unequal = [
        text.format(f"{min(counts.values())} to {max(counts.values())}")
        for text, counts in counted
        if len(set(counts.values())) > 1
    ]
    if not unequal:
        return []
    return [
        f"the runs {', '.join(unequal)}; a larger budget alone gives a larger hypervolume, so compare runs of "
        "equal budget"
    ]


def _names(given: Sequence[str] | None) -> tuple[str, str]:
    first, second = given or ("A", "B")
    if first == second:
        raise RecordError(f"--names: both groups are named {first!r}; give two names")
    return first, second


if __name__ == "__main__":
    sys.exit(main())
