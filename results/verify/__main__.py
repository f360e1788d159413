"""The command line `python -m results.verify RUN/best/NAME`: is a configuration what the run says it is.

First the records: front.csv has to be what trials.csv gives, the folder what was exported, and the checkpoint has to
measure what trials.csv has. Only then is the configuration trained again with seeds that the run has not used, and the
means of its objectives and guards may fall no farther behind than `results.verify.prediction_interval` says.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pandas as pd

from results.command import PATH, console, run_command, warn
from results.exceptions import RecordError
from results.export.best import CHECKPOINT_FILE
from results.records.objectives import metric_values
from results.records.run import Run, read_run
from results.records.text import printing, short
from results.verify.consistency import export_differences, front_differences, recorded_seeds, run_of, scatters
from results.verify.prediction_interval import CONFIDENCE, Limit, one_sided_limit
from results.verify.retraining import Retraining, remeasured_differences

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

DIFFERS = 1
DEFAULT_SEEDS = 5
LINES_SHOWN = 5


@click.command("python -m results.verify")
@click.argument("folder", type=PATH, metavar="RUN/best/NAME")
@click.option("--seeds", type=int, default=DEFAULT_SEEDS, metavar="N", help=f"fresh seeds (default {DEFAULT_SEEDS})")
def verify(folder: Path, seeds: int) -> int:
    """Check the records of an exported configuration, and train it again on fresh seeds.

    Says whether they are as good as recorded. The exit code is 0 if records agree and fresh seeds do not fall behind by
    more than chance, 1 if not, 2 for bad input, 130 after Ctrl-C.
    """
    run = read_run(run_of(folder))
    warn(run.warnings)
    recorded = recorded_seeds(run, folder)
    several = scatters(run)[run.space.objectives[0].metric] is not None
    if seeds < (least := 1 if several else 2):
        why = "" if several else "; no point of the run has several seeds"
        raise RecordError(f"--seeds {seeds}: expected {least} or more{why}")
    return _verify(run, folder, recorded, seeds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    return run_command(verify, arguments, stopped="stopped before a verdict")


def _verify(run: Run, folder: Path, recorded: pd.DataFrame, seeds: int) -> int:
    screen = console()
    wrong = [*front_differences(run), *export_differences(run, folder)]
    if wrong:
        return _differ(wrong)
    screen.print("front.csv is what trials.csv gives, and the folder is what was exported", soft_wrap=True)
    retraining = Retraining(run, folder)
    wrong = retraining.other_data(run)
    exported = (folder / CHECKPOINT_FILE).is_file()
    measured = retraining.measure(folder) if exported and not wrong else None
    if measured is not None:
        # What trials.csv has of the trial whose checkpoint was exported, in all that it is judged by.
        judged = {name: float(metric_values(recorded, name)[0]) for name in run.space.judged}
        wrong = remeasured_differences(measured, judged)
    if wrong:
        return _differ(wrong)
    unmeasured = "the study cannot load one" if exported else "there is none"
    said = "measures what trials.csv has" if measured is not None else f"was not measured: {unmeasured}"
    screen.print(f"the checkpoint {said}", soft_wrap=True)
    return _retrain(run, recorded, retraining, seeds, screen)


def _differ(lines: Sequence[str]) -> int:
    for line in lines[:LINES_SHOWN]:
        print(f"differs: {printing(line)}", file=sys.stderr)
    if len(lines) > LINES_SHOWN:
        print(f"differs: and in {len(lines) - LINES_SHOWN} more places", file=sys.stderr)
    print("the records do not agree; nothing was trained", file=sys.stderr)
    return DIFFERS


def fresh_seeds(run: Run, count: int) -> list[int]:
    """Return the first seeds that no trial of the run has had, above all that it has."""
    used = run.trials["seed"].dropna()
    first = int(used.max()) + 1 if len(used) else 0
    return list(range(first, first + count))


def _retrain(run: Run, recorded: pd.DataFrame, retraining: Retraining, count: int, screen: Console) -> int:
    seeds = fresh_seeds(run, count)
    measured = _train(retraining, seeds, screen)
    limits = _limits(run, recorded, measured)
    screen.print(_table(limits, measured))
    for line in _explanation(list(limits.values()), len(recorded), seeds):
        screen.print(line, soft_wrap=True, style="dim")
    diverged = [str(seed) for seed, of in zip(seeds, measured, strict=True) if not of]
    behind = [str(what) for (_, what), of in limits.items() if not of.kept]
    reasons = [f"diverged with seed {', '.join(diverged)}"] if diverged else []
    reasons += [f"behind in {', '.join(behind)}"] if behind else []
    verdict = f"not as recorded: {'; '.join(reasons)}" if reasons else "as recorded: nothing falls behind"
    screen.print(verdict, style="bold", soft_wrap=True)
    return DIFFERS if reasons else 0


def _limits(run: Run, recorded: pd.DataFrame, measured: Sequence[Mapping[str, float]]) -> dict[tuple[str, str], Limit]:
    """Return the limit of each objective and of each bound of a guard, by metric and what it is in words."""
    asked = [
        (o.metric, o.metric, statistics.fmean(metric_values(recorded, o.metric)), len(recorded), o.sign)
        for o in run.space.objectives
    ]
    asked += [(guard.metric, text, bound, 0, sign) for guard in run.space.guards for text, bound, sign in guard.edges()]
    limits, scatter = {}, scatters(run)
    for metric, what, expected, seeds, sign in asked:
        fresh = [of.get(metric, math.nan) for of in measured]
        limits[metric, what] = one_sided_limit(expected, seeds, fresh, scatter[metric], sign, len(asked))
    return limits


def _train(retraining: Retraining, seeds: Sequence[int], screen: Console) -> list[dict[str, float]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    measured = []
    with Progress(*columns, console=screen, transient=True) as progress:
        total = len(seeds) * int(retraining.configuration["epochs"])
        task = progress.add_task("epochs", total=total)
        for seed in seeds:
            progress.update(task, description=f"epochs, seed {seed}")
            measured.append(retraining.train(seed, lambda: progress.advance(task)))
    return measured


def _table(limits: Mapping[tuple[str, str], Limit], measured: Sequence[Mapping[str, float]]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("objective or guard", "recorded", "limit", "fresh mean", "fresh std", "fresh seeds", ""):
        table.add_column(title, justify="left" if title in ("objective or guard", "") else "right", overflow="fold")
    for (metric, what), of in limits.items():
        recorded = short(of.expected) if what == metric else ""
        edge = f"{'≤' if of.sign > 0 else '≥'} {short(of.limit)}"
        each = ", ".join(short(seed.get(metric, math.nan)) or "–" for seed in measured)
        told = "kept" if of.kept else "behind"
        table.add_row(printing(what), recorded, edge, short(of.fresh), short(of.fresh_std), each, told)
    return table


def _explanation(limits: Sequence[Limit], recorded: int, seeds: Sequence[int]) -> list[str]:
    spread = "of all recorded seeds, pooled" if limits[0].of_recorded else "of the fresh seeds, since no point has two"
    lines = [
        f"Limit: how far the mean of {len(seeds)} fresh seeds ({seeds[0]} to {seeds[-1]}) comes by chance alone, in "
        f"{CONFIDENCE:.0%} of cases for all lines together, behind that of {recorded} recorded, or beyond a guard's "
        f"bound; the spread is that {spread}. Better than recorded is no fault."
    ]
    if recorded == 1:
        lines.append(
            "One recorded seed that was chosen for its value is a lucky one; fresh seeds that are a little worse are "
            "expected."
        )
    return lines


if __name__ == "__main__":
    sys.exit(main())
