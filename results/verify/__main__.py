"""The command line `python -m results.verify RUN/best/NAME`: is a configuration what the run says it is.

First the records: front.csv has to be what trials.csv gives, the folder what was exported, and the checkpoint has to
measure what trials.csv has. Only then is the configuration trained again with seeds that the run has not used, and the
means of its objectives have to fall into the band of `results.verify.prediction_interval`, and those of its guards to
keep their bounds.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import pandas as pd

from results.command import PATH, console, run_command, warn
from results.exceptions import RecordError
from results.export.best import CHECKPOINT_FILE
from results.records.objectives import metric_values
from results.records.run import Run, read_run
from results.records.text import printing, short
from results.verify.consistency import export_differences, front_differences, recorded_seeds, run_of
from results.verify.prediction_interval import CONFIDENCE, PredictionInterval, prediction_interval
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

    Says whether they fall into the recorded band. The exit code is 0 if records agree and fresh seeds fall into the
    band, 1 if not, 2 for bad input, 130 after Ctrl-C.
    """
    run = read_run(run_of(folder))
    warn(run.warnings)
    recorded = recorded_seeds(run, folder)
    least = 1 if len(recorded) > 1 else 2
    if seeds < least:
        raise RecordError(f"--seeds {seeds}: expected {least} or more; {len(recorded)} seeds are recorded")
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
    bands = {
        o.metric: prediction_interval(
            metric_values(recorded, o.metric).tolist(),
            [of.get(o.metric, math.nan) for of in measured],
            len(run.space.objectives),
        )
        for o in run.space.objectives
    }
    means = {
        guard.metric: statistics.fmean([of.get(guard.metric, math.nan) for of in measured])
        for guard in run.space.guards
    }
    broken = [str(guard) for guard in run.space.guards if not guard.holds(np.array([means[guard.metric]]))[0]]
    screen.print(_table(bands, measured))
    for line in _explanation(bands, len(recorded), seeds):
        screen.print(line, soft_wrap=True, style="dim")
    diverged = [str(seed) for seed, of in zip(seeds, measured, strict=True) if not of]
    outside = [metric for metric, of in bands.items() if not of.inside]
    reasons = [f"diverged with seed {', '.join(diverged)}"] if diverged else []
    reasons += [f"{', '.join(outside)} outside"] if outside else []
    reasons += [f"the fresh means break {', '.join(broken)}"] if broken else []
    verdict = "; ".join(reasons) or "all objectives inside, all guards kept"
    screen.print(f"{'outside' if reasons else 'in'} the band: {verdict}", style="bold", soft_wrap=True)
    return DIFFERS if reasons else 0


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


def _table(bands: dict[str, PredictionInterval], measured: Sequence[dict[str, float]]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("objective", "recorded", "band", "fresh mean", "fresh std", "fresh seeds", ""):
        table.add_column(title, justify="left" if title in ("objective", "") else "right", overflow="fold")
    for metric, of in bands.items():
        edges = f"{short(of.recorded - of.half_width)} to {short(of.recorded + of.half_width)}"
        each = ", ".join(short(seed.get(metric, math.nan)) or "–" for seed in measured)
        told = "inside" if of.inside else "outside"
        table.add_row(metric, short(of.recorded), edges, short(of.fresh), short(of.fresh_std), each, told)
    return table


def _explanation(bands: dict[str, PredictionInterval], recorded: int, seeds: Sequence[int]) -> list[str]:
    of_recorded = all(of.of_recorded for of in bands.values())
    spread = "of the recorded seeds" if of_recorded else "of the fresh seeds, since one seed was recorded"
    lines = [
        f"Band: {CONFIDENCE:.0%} prediction interval, for all objectives together, of the mean of {len(seeds)} fresh "
        f"seeds ({seeds[0]} to {seeds[-1]}) around that of {recorded} recorded; its width is by the spread {spread}."
    ]
    if recorded == 1:
        lines.append(
            "One recorded seed that was chosen for its value is a lucky one; fresh seeds that are a little worse are "
            "expected."
        )
    return lines


if __name__ == "__main__":
    sys.exit(main())
