"""How much of the front a search finds for its epochs: samplers with and without early stopping, on a table.

    python -m benchmarks.search.quality --seeds 20 --plot docs/search_quality.png
    python -m benchmarks.search.quality --samplers tpe random --rung 16 --reduction 2

Replays whole searches (`replay.py`) on the 224 fully trained configurations of `table.csv.gz`, which
`table.py` made. Proposals and stops come from the search's own code. Syne Tune's MOASHA stands beside them where
it is installed. For each method: epochs until the front has 95 % of the hypervolume of the table's own, and the
hypervolume along the way, medians and quartiles over seeds. Exit codes: 0 done, 2 bad input, 130 stopped.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna
import torch
from rich.console import Console
from rich.table import Table as Shown

from benchmarks.command_line import BenchmarkError, OneLineParser, check_json, positive, run_benchmark
from benchmarks.machine import machine
from benchmarks.search.replay import Progress, Table, best_hypervolume, read_table, replay
from benchmarks.search.table import GRID, SPACE
from search.policy.halving import Halving
from search.policy.proposals import Proposals
from search.space.reading import parse_space, read_document
from search.space.schema import Space
from search.trials import TrialRequest, TrialResult

TABLE = Path(__file__).with_name("table.csv.gz")
SAMPLERS = ("random", "tpe", "gp", "nsga2")
ENOUGH = 0.95
MOASHA = "syne tune moasha"


class Method(NamedTuple):
    """A sampler, with early stopping or without."""

    sampler: str
    halving: bool

    @property
    def label(self) -> str:
        return self.sampler + (" + halving" if self.halving and self.sampler != MOASHA else "")


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
        self._requests[trial] = self._proposals.ask()
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


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line.

    Raises:
        BenchmarkError: An argument that cannot be used.
    """
    parser = OneLineParser(description="Fronts against epochs, on a table.", allow_abbrev=False)
    parser.add_argument("--table", type=Path, default=TABLE, metavar="FILE")
    parser.add_argument("--samplers", nargs="+", choices=[*SAMPLERS, "nsga3", "qmc"], default=list(SAMPLERS))
    parser.add_argument("--seeds", type=positive, default=20, metavar="N")
    parser.add_argument("--slots", type=positive, default=4, metavar="N", help="trials at a time (default 4)")
    parser.add_argument("--epochs", type=positive, default=4800, metavar="N", help="budget of a search (default 4800)")
    parser.add_argument("--rung", type=positive, metavar="N", help="first rung, instead of the space's")
    parser.add_argument("--reduction", type=float, metavar="X", help="reduction, instead of the space's")
    parser.add_argument("--startup", type=int, metavar="N", help="startup trials of a rung, instead of the space's")
    parser.add_argument("--jobs", type=positive, default=2, metavar="N", help="processes (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every figure there")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draws hypervolume against epochs")
    options = parser.parse_args(arguments)
    if not options.table.is_file():
        raise BenchmarkError(f"--table {options.table}: no such file; make it with benchmarks.search.table")
    check_json(options.json)
    return options


def grid_space(options: argparse.Namespace, sampler: str, seed: int) -> Space:
    """The shipped space, its parameters on the table's grid."""
    document = read_document(SPACE)
    weights, actions = GRID["action_weight"], GRID["num_sub_actions"]
    document["parameters"] |= {
        "action_weight": {
            "type": "float",
            "low": weights[0],
            "high": weights[-1],
            "step": round(weights[1] - weights[0], 6),
        },
        "num_sub_actions": {"type": "int", "low": actions[0], "high": actions[-1], "step": actions[1] - actions[0]},
    }
    name = "random" if sampler == MOASHA else sampler
    document |= {"seed": seed, "sampler": {**document.get("sampler", {}), "name": name}}
    wishes = {"first_rung": options.rung, "reduction": options.reduction, "startup_trials": options.startup}
    halving = {"first_rung": 16} | document.get("halving", {})
    document["halving"] = halving | {key: value for key, value in wishes.items() if value is not None}
    return parse_space(document, SPACE)


def one_search(task: tuple[argparse.Namespace, Method, int]) -> Progress:
    """Replays one search."""
    options, method, seed = task
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = grid_space(options, method.sampler, seed)
    table = read_table(options.table, space)
    if method.sampler == MOASHA:
        return replay(Moasha(space, seed), table, space, options.slots, options.epochs)
    with tempfile.TemporaryDirectory() as folder:
        search = OurSearch(space, Path(folder), method.halving)
        return replay(search, table, space, options.slots, options.epochs)


def methods(options: argparse.Namespace, console: Console) -> list[Method]:
    """What is compared."""
    found = [Method(sampler, halving) for sampler in options.samplers for halving in (False, True)]
    try:
        import syne_tune.optimizer.schedulers.multiobjective.moasha  # noqa: F401
    except ImportError:
        console.print("syne-tune is not installed: without its MOASHA")
        return found
    return [*found, Method(MOASHA, True)]


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Replays every method with every seed."""
    space = grid_space(options, "tpe", 0)
    table: Table = read_table(options.table, space)
    whole = best_hypervolume(table, space)
    grid = np.linspace(0, options.epochs, 101)[1:]
    found: dict[str, Any] = {}
    for method in methods(options, console):
        tasks = [(options, method, seed) for seed in range(options.seeds)]
        with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
            runs = pool.map(one_search, tasks)
        found[method.label] = {
            "spent": [run.spent_until(ENOUGH * whole) for run in runs],
            "trials": [run.trials for run in runs],
            "curves": [[run.at(epochs) / whole for epochs in grid] for run in runs],
        }
        console.print(f"{method.label}: {np.median(found[method.label]['spent']):.0f} epochs", highlight=False)
    return {
        "machine": machine(torch.device("cpu")),
        "hypervolume": whole,
        "rungs": list(space.rungs),
        "halving": space.halving.model_dump() if space.halving else None,
        "epochs": grid.tolist(),
        "methods": found,
    }


def tables(result: dict[str, Any]) -> list[Shown]:
    """Epochs to 95 %, and hypervolume along the way."""
    shown = Shown(title=f"hypervolume of the table {result['hypervolume']:.4f}, rungs {result['rungs']}")
    for heading in ("method", "epochs to 95 %", "quartiles", "reached", "at 1/4", "at 1/2", "at the end", "trials"):
        shown.add_column(heading, justify="left" if heading == "method" else "right")
    for label, found in result["methods"].items():
        spent = np.array(found["spent"])
        low, middle, high = (np.quantile(spent, q, method="higher") for q in (0.25, 0.5, 0.75))
        curves = np.median(found["curves"], axis=0)
        along = [f"{curves[len(curves) * share // 4 - 1]:.3f}" for share in (1, 2, 4)]
        reached = f"{np.isfinite(spent).sum()} of {len(spent)}"
        shown.add_row(
            label, f"{middle:.0f}", f"{low:.0f}, {high:.0f}", reached, *along, f"{np.median(found['trials']):.0f}"
        )
    return [shown]


def draw(result: dict[str, Any], path: Path) -> None:
    """Draws median and quartiles of the hypervolume against epochs."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    colours = {name: f"C{n}" for n, name in enumerate((*SAMPLERS, "nsga3", "qmc", MOASHA))}
    for label, found in result["methods"].items():
        low, middle, high = np.quantile(found["curves"], (0.25, 0.5, 0.75), axis=0)
        colour = colours[label.removesuffix(" + halving")]
        stops = label.endswith("halving") or label == MOASHA
        axes.plot(result["epochs"], middle, color=colour, linestyle="-" if stops else "--", label=label)
        axes.fill_between(result["epochs"], low, high, color=colour, alpha=0.12, linewidth=0)
    axes.axhline(ENOUGH, color="grey", linewidth=0.8)
    axes.set(xlabel="epochs spent", ylabel="hypervolume, share of the table's", ylim=(0.6, 1.01))
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line."""

    def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
        result = measure(options, console)
        if options.plot:
            draw(result, options.plot)
        return result

    return run_benchmark("search_quality.py", lambda: parse(arguments), run, tables)


if __name__ == "__main__":
    sys.exit(main())
