"""How much of the front a search finds for its epochs: samplers alone, with early stopping, with lines, on a table.

    python -m benchmarks.search.quality --seeds 20 --plot docs/search_quality.png
    python -m benchmarks.search.quality --data epilepsy --samplers tpe random --kinds plain lines

Replays whole searches (`replay.py`) on the 224 fully trained configurations of a table, which `table.py` made, and on
the lines that go on from them (`lines.py`): everything was really trained, once. Proposals, lines and stops come from
the search's own code. Syne Tune's MOASHA stands beside them where it is installed. For each method: epochs until the
front has 95 % of the hypervolume that can be expected of single trainings, which is that of the front of means over
seeds, and of the table's own, luck included; and the hypervolume along the way; medians and quartiles over seeds.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import click
import numpy as np
import optuna
from rich.table import Table

from benchmarks.command_line import JSON, PATH, POSITIVE, PROGRESS, BenchmarkError, benchmark, finish, table_of
from benchmarks.machine import machine
from benchmarks.search.lines import Lines
from benchmarks.search.replay import Progress, best_hypervolume, expected_hypervolume, read_table, replay
from benchmarks.search.table import GRID, HERE, read, set_option
from search.policy.halving import Halving
from search.policy.proposals import Proposals
from search.space.reading import parse_space
from search.space.schema import Space
from search.trials import TrialRequest, TrialResult

SPACES = {"basic_motions": HERE / "space.yaml", "epilepsy": HERE / "epilepsy.yaml"}
KINDS = ("plain", "halving", "lines")
FACTORS, STEP_SHARE = (0.6, 1.4), 6  # of a sweep; each step has a sixth of the epochs
SAMPLERS = ("random", "tpe", "gp", "nsga2")
ENOUGH = 0.95
MOASHA = "syne tune moasha"


class Method(NamedTuple):
    """A sampler, alone, with early stopping or with lines."""

    sampler: str
    kind: str

    @property
    def label(self) -> str:
        return self.sampler + (f" + {self.kind}" if self.kind != "plain" and self.sampler != MOASHA else "")


class OurSearch:
    """The search's own proposals and policy."""

    def __init__(self, space: Space, folder: Path, halving: bool):
        self._proposals = Proposals(space, folder)
        self._halving = None
        if halving:
            assert space.halving is not None
            h = space.halving
            self._halving = Halving(space.rungs, h.reduction, h.startup_trials, space.objectives, space.guards)
        self._requests: dict[int, TrialRequest] = {}

    def propose(self, trial: int) -> Mapping[str, Any]:
        self._requests[trial] = self._proposals.go_on() or self._proposals.ask()
        return self._requests[trial].parameters

    def goes_on(self, trial: int, epoch: int, metrics: Mapping[str, float]) -> bool:
        return self._halving is None or self._halving.goes_on(trial, epoch, metrics)

    def ended(self, trial: int, epoch: int, metrics: Mapping[str, float], finished: bool) -> None:
        state = "finished" if finished else "stopped"
        result = TrialResult(self._requests.pop(trial), state, epochs=epoch, metrics=dict(metrics))
        self._proposals.tell(result, [{"epoch": epoch, **metrics}])


class Moasha:
    """Syne Tune's multi-objective ASHA; it samples at random, and knows no guards."""

    def __init__(self, space: Space, seed: int):
        from datetime import datetime

        from syne_tune.backend.trial_status import Trial
        from syne_tune.config_space import choice
        from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA as Scheduler

        assert space.halving is not None
        np.random.seed(seed)  # noqa: NPY002 - its draws come from the global generator
        self._metrics = [objective.metric for objective in space.objectives]
        self._scheduler = Scheduler(
            {name: choice(list(values)) for name, values in GRID.items()},
            metrics=self._metrics,
            time_attr="epoch",
            max_t=space.budget.epochs,
            grace_period=space.halving.first_rung,
            reduction_factor=space.halving.reduction,
            random_seed=seed,
        )
        self._make = lambda trial, config: Trial(trial, config, datetime(2026, 1, 1))
        self._trials: dict[int, Any] = {}

    def propose(self, trial: int) -> Mapping[str, Any]:
        config = self._scheduler.suggest().config
        self._trials[trial] = self._make(trial, config)
        self._scheduler.on_trial_add(self._trials[trial])
        return config

    def _result(self, epoch: int, metrics: Mapping[str, float]) -> dict[str, float]:
        return {"epoch": epoch} | {name: metrics[name] for name in self._metrics}

    def goes_on(self, trial: int, epoch: int, metrics: Mapping[str, float]) -> bool:
        return self._scheduler.on_trial_result(self._trials[trial], self._result(epoch, metrics)) == "CONTINUE"

    def ended(self, trial: int, epoch: int, metrics: Mapping[str, float], finished: bool) -> None:
        if finished:
            self._scheduler.on_trial_complete(self._trials[trial], self._result(epoch, metrics))
        else:
            self._scheduler.on_trial_remove(self._trials[trial])


def table_file(options: SimpleNamespace) -> Path:
    """Return the table that is asked for."""
    path = options.table or HERE / f"{options.data}.csv.gz"
    if not path.is_file():
        raise BenchmarkError(f"--table {path}: no such file; make it with benchmarks.search.table")
    return path


_count = partial(click.option, type=POSITIVE, metavar="N")


@benchmark("python -m benchmarks.search.quality", several=("--samplers", "--kinds"))
@click.option("--data", type=click.Choice(list(SPACES)), default="basic_motions")
@click.option("--table", type=PATH, metavar="FILE", help="instead of that of the data")
@click.option("--ends", type=PATH, metavar="FOLDER", help="train lines that are not recorded from there")
@set_option
@click.option("--kinds", type=click.Choice(KINDS), multiple=True, default=KINDS)
@click.option("--samplers", type=click.Choice([*SAMPLERS, "nsga3", "qmc"]), multiple=True, default=SAMPLERS)
@_count("--seeds", default=20)
@_count("--slots", default=4, help="trials at a time (default 4)")
@_count("--epochs", default=4800, help="budget of a search (default 4800)")
@_count("--rung", help="first rung, instead of the space's")
@click.option("--reduction", type=float, metavar="X", help="reduction, instead of the space's")
@click.option("--startup", type=int, metavar="N", help="startup trials of a rung, instead of the space's")
@_count("--jobs", default=2, help="processes (default 2)")
@JSON
@click.option("--plot", type=PATH, metavar="FILE.png", help="draw hypervolume against epochs")
def main(**given: Any) -> int:
    """Measure fronts against epochs, on a table."""
    options = SimpleNamespace(**given)
    space = grid_space(options, Method("tpe", "halving"), 0)
    table = read_table(table_file(options), space)
    whole, expected = best_hypervolume(table, space), expected_hypervolume(table, space)
    grid = np.linspace(0, options.epochs, 101)[1:]
    found: dict[str, Any] = {}
    for method in methods(options):
        tasks = [(options, method, seed) for seed in range(options.seeds)]
        with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
            runs = pool.map(one_search, tasks)
        found[method.label] = {
            "spent": [run.spent_until(ENOUGH * expected) for run in runs],
            "spent_of_table": [run.spent_until(ENOUGH * whole) for run in runs],
            "trials": [run.trials for run in runs],
            "front": [run.front for run in runs],
            "curves": [[run.at(epochs) / expected for epochs in grid] for run in runs],
        }
        PROGRESS.print(f"{method.label}: {np.median(found[method.label]['spent']):.0f} epochs")
    result = {
        "machine": machine(),
        "hypervolume": whole,
        "expected_hypervolume": expected,
        "rungs": list(space.rungs),
        "halving": space.halving.model_dump() if space.halving else None,
        "epochs": grid.tolist(),
        "methods": found,
    }
    if options.plot:
        draw(result, options.plot)
    return finish(result, options.json, [shown(result)])


def grid_space(options: SimpleNamespace, method: Method, seed: int) -> Space:
    """Return the table's space with the sampler of a method, its rungs or its sweep."""
    space = read(SPACES[options.data], options.assigned)
    document = space.document()
    name = "random" if method.sampler == MOASHA else method.sampler
    document |= {"seed": seed, "sampler": {**document["sampler"], "name": name}}
    if method.kind == "halving":
        wishes = {"first_rung": options.rung, "reduction": options.reduction, "startup_trials": options.startup}
        known = {key: value for key, value in wishes.items() if value is not None}
        document["halving"] = {"first_rung": space.budget.epochs // 3} | known
    if method.kind == "lines":
        step = space.budget.epochs // STEP_SHARE
        document["sweep"] = {"parameter": "action_weight", "factors": list(FACTORS), "epochs": step}
    return parse_space(document, SPACES[options.data])


def one_search(task: tuple[SimpleNamespace, Method, int]) -> Progress:
    """Replay one search."""
    options, method, seed = task
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space, file = grid_space(options, method, seed), table_file(options)
    table = read_table(file, space)
    if method.sampler == MOASHA:
        return replay(Moasha(space, seed), table, space, options.slots, options.epochs)
    with tempfile.TemporaryDirectory() as folder:
        search = OurSearch(space, Path(folder), method.kind == "halving")
        if space.sweep is None:
            return replay(search, table, space, options.slots, options.epochs)
        recorded = file.with_name(file.name.removesuffix(".csv.gz") + "_lines.csv")
        lines = Lines(recorded, space, SPACES[options.data], options.ends)
        at = partial(lines.at, epochs=space.sweep.epochs)
        return replay(search, table, space, options.slots, options.epochs, at)


def methods(options: SimpleNamespace) -> list[Method]:
    """Return what is compared."""
    found = [Method(sampler, kind) for sampler in options.samplers for kind in options.kinds]
    if "halving" not in options.kinds:
        return found
    try:
        import syne_tune.optimizer.schedulers.multiobjective.moasha  # noqa: F401
    except ImportError:
        PROGRESS.print("syne-tune is not installed: without its MOASHA")
        return found
    return [*found, Method(MOASHA, "halving")]


def shown(result: dict[str, Any]) -> Table:
    """Return epochs to 95 %, and hypervolume along the way, as a share of what can be expected."""
    rows = []
    for label, found in result["methods"].items():
        spent = np.array(found["spent"])
        of_table = np.median(found["spent_of_table"])
        low, middle, high = (f"{np.quantile(spent, q, method='higher'):.0f}" for q in (0.25, 0.5, 0.75))
        curves = np.median(found["curves"], axis=0)
        along = [f"{curves[len(curves) * share // 4 - 1]:.3f}" for share in (1, 2, 4)]
        reached = f"{np.isfinite(spent).sum()} of {len(spent)}"
        counts = [f"{np.median(found[key]):.0f}" for key in ("front", "trials")]
        rows.append([label, middle, f"{low}, {high}", reached, f"{of_table:.0f}", *along, *counts])
    headings = ("method", "epochs to 95 %", "quartiles", "reached", "of the table", "at 1/4", "at 1/2", "at the end")
    headings += ("on the front", "trials")
    title = f"hypervolume expected {result['expected_hypervolume']:.4f}, of the table {result['hypervolume']:.4f}"
    return table_of(headings, rows, title=title)


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw median and quartiles of the hypervolume against epochs."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    colours = {name: f"C{n}" for n, name in enumerate((*SAMPLERS, "nsga3", "qmc", MOASHA))}
    for label, found in result["methods"].items():
        low, middle, high = np.quantile(found["curves"], (0.25, 0.5, 0.75), axis=0)
        sampler, _, kind = label.partition(" + ")
        style = {"lines": "-", "halving": ":"}.get(kind, ":" if label == MOASHA else "--")
        colour = colours[sampler]
        axes.plot(result["epochs"], middle, color=colour, linestyle=style, label=label)
        axes.fill_between(result["epochs"], low, high, color=colour, alpha=0.12, linewidth=0)
    axes.axhline(ENOUGH, color="grey", linewidth=0.8)
    axes.set(xlabel="epochs spent", ylabel="hypervolume, share of what can be expected", ylim=(0.6, 1.1))
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    sys.exit(main())
