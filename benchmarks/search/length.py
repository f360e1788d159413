"""Is it the lines, or the epochs? Fronts of equal epochs by other means than lines.

    python -m benchmarks.search.length --seeds 3
    python -m benchmarks.search.length --space benchmarks/search/epilepsy.yaml --set num_sub_actions=15 \\
        --set data='{train_ts: Epilepsy_TRAIN.ts, test_ts: Epilepsy_TEST.ts}'

One configuration, the weight apart, trained in several ways for one and a half times the epochs of a trial: as lines
from weight 0.5 (down twice, up once), as one longer training, as three shorter ones at different weights, and as one
whose weight is drawn anew for every step, evenly from 0.05 to 0.95. Beside them, two trials at different weights, which
cost a third more. The hypervolume of the points that keep the guards, mean and deviation over seeds.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.command_line import JSON, POSITIVE, PROGRESS, benchmark, finish, table_of
from benchmarks.machine import machine
from benchmarks.search.replay import empty_front, point
from benchmarks.search.table import Trainer, read, set_option, space_option

CHOSEN = {"codebook_size": 64, "num_sub_actions": 11, "method": "action_decoder"}
DRAWN = (0.05, 0.95)


@benchmark("python -m benchmarks.search.length")
@space_option
@set_option
@click.option("--seeds", type=POSITIVE, default=3, metavar="N", help="(default 3)")
@JSON
def main(space: Path, assigned: tuple[str, ...], seeds: int, json: Path | None) -> int:
    """Compare lines with other ways to spend their epochs."""
    given = [f"{name}={value}" for name, value in CHOSEN.items() if not any(a.startswith(f"{name}=") for a in assigned)]
    trainer = Trainer(read(space, [*given, *assigned]), space)
    found: dict[str, dict[str, Any]] = {}
    for seed in range(seeds):
        for way, points in ways(trainer, seed):
            front = empty_front(trainer.space)
            for number, metrics in enumerate(points):
                front.set(number, point(metrics, trainer.space))
            entry = found.setdefault(way, {"hypervolume": [], "front": [], "points": []})
            entry["hypervolume"].append(front.volume)
            entry["front"].append(front.size)
            entry["points"].append([[m[o.metric] for o in trainer.space.objectives] for m in points])
            PROGRESS.print(f"seed {seed}, {way}: {front.volume:.4f}")
    rows = [
        [way, f"{np.mean(of['hypervolume']):.3f} ± {np.std(of['hypervolume']):.3f}", f"{np.mean(of['front']):.1f}"]
        for way, of in found.items()
    ]
    table = table_of(("way", "hypervolume", "on the front"), rows)
    return finish({"machine": machine(), "ways": found}, json, [table])


def ways(trainer: Trainer, seed: int) -> Iterator[tuple[str, list[dict[str, float]]]]:
    """Train one seed in every way; yield what each is called, with its epochs, and the points that it gave."""
    epochs = trainer.space.budget.epochs
    step = epochs // 6
    yield f"lines, {epochs + 3 * step} epochs", lines(trainer, seed, epochs, step)
    whole = epochs + 3 * step
    yield f"one training, {whole} epochs", [single(trainer, seed, whole, 0.5)]
    yield f"weight drawn, {whole} epochs", [single(trainer, seed, whole, None)]
    short = whole // 3
    yield f"three trainings, {3 * short} epochs", [single(trainer, seed, short, w) for w in (0.2, 0.5, 0.8)]
    yield f"two trainings, {2 * epochs} epochs", [single(trainer, seed, epochs, w) for w in (0.3, 0.7)]


def single(trainer: Trainer, seed: int, epochs: int, weight: float | None) -> dict[str, float]:
    """Train once, at a weight or, with None, at one that is drawn for every step; return the metrics."""
    run = _run(trainer, seed, epochs, [(weight or 0.5, epochs)])
    if weight is None:
        rng, step = np.random.default_rng(seed), run._step
        run._step = lambda batch, _: step(batch, float(rng.uniform(*DRAWN)))
    for _ in range(epochs):
        run.train_epoch()
    return trainer.measure(run)


def lines(trainer: Trainer, seed: int, epochs: int, step: int) -> list[dict[str, float]]:
    """Train at weight 0.5, then go on to 0.3 and 0.18, and to 0.7; return the metrics at each end."""

    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for weights, begin in (((0.5,), ""), ((0.5, 0.3), "0.5"), ((0.5, 0.3, 0.18), "0.3"), ((0.5, 0.7), "0.5")):
            stages = [(weight, step if number else epochs) for number, weight in enumerate(weights)]
            run = _run(trainer, seed, sum(of for _, of in stages), stages)
            if begin:
                run.restore(folder / begin)
            for _ in range(stages[-1][1]):
                run.train_epoch()
            place = folder / str(weights[-1])
            place.mkdir(exist_ok=True)
            run.save(place)
            found.append(trainer.measure(run))
    return found


def _run(trainer: Trainer, seed: int, epochs: int, stages: Sequence[tuple[float, int]]) -> Any:
    plain = {"action_weight": stages[-1][0], "epochs": epochs, "seed": seed, "threads": 1}
    listed = [{"action_weight": weight, "epochs": of_stage} for weight, of_stage in stages]
    return trainer.study.trial({**trainer.fixed, **plain, **({"stages": listed} if len(stages) > 1 else {})}, "cpu")


if __name__ == "__main__":
    sys.exit(main())
