"""Write a run folder of any size without training: made-up trials of a long search, in the form that it records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from model.evaluation.names import METRICS
from results.records.files import csv_lines
from results.records.tables import CURVE_COLUMNS, CURVES_FILE, TRIAL_COLUMNS, TRIALS_FILE
from results.records.text import cell

SPACE = Path(__file__).parents[2] / "spaces" / "tradeoff.yaml"
START = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
EPOCHS, EVERY, RUNGS = 48, 5, (5, 15)
SLOTS, SECONDS_PER_EPOCH = 8, 0.6
LOSSES = ("loss", "loss_action", "loss_contrastive", "loss_series", "loss_shape", "loss_stitch")
THIRD = {"metric": "shape_skill", "name": "skill", "direction": "maximise", "reference": 0.0}


def write_run(folder: Path, trials: int, objectives: int = 2, epochs: int = EPOCHS, replicates: int = 1) -> None:
    """Write space.yaml, trials.csv, curves.csv, and what a search exports of each trial; always the same bytes.

    The folder is made if it is missing, its records are replaced. Of 100 trials that have ended about 70 finished, 25
    were stopped early, 4 failed and 1 was interrupted; one that finished has `epochs`, at least 16. There are 1 to 3
    objectives, and `replicates` seeds of every point.
    """
    folder.mkdir(parents=True, exist_ok=True)
    space = yaml.safe_load(SPACE.read_text(encoding="utf-8"))
    space["objectives"] = [*space["objectives"], THIRD][:objectives]
    space.pop("sweep", None)  # made-up trials do not go on
    space["budget"] = {"trials": trials, "epochs": epochs}
    space["provenance"] = {"command": "python -m benchmarks.report", "trials": "made up, not trained"}
    (folder / "space.yaml").write_text(yaml.safe_dump(space, sort_keys=False, allow_unicode=True), encoding="utf-8")
    random = np.random.default_rng(0)
    names = (*TRIAL_COLUMNS, *space["parameters"], *sorted(METRICS))
    curve_names = (*CURVE_COLUMNS, *sorted((*METRICS, *LOSSES)))
    rows, curves = [], []
    points = [_point(random) for _ in range(-(-trials // replicates))]
    for number in range(trials):
        row, curve = _trial(number, points[number % len(points)], epochs, random)
        rows.append([cell(row.get(name)) for name in names])
        curves += [[cell(epoch.get(name)) for name in curve_names] for epoch in curve]
        home = folder / "trials" / str(number)
        home.mkdir(parents=True, exist_ok=True)
        (home / "configuration.yaml").write_text(f"seed: {number}\n", encoding="utf-8")
        (home / "model.safetensors").write_bytes(b"weights")
    (folder / TRIALS_FILE).write_text(csv_lines([names, *rows]), encoding="utf-8")
    (folder / CURVES_FILE).write_text(csv_lines([curve_names, *curves]), encoding="utf-8")


def _point(random: np.random.Generator) -> dict[str, Any]:
    return {
        "codebook_size": int(random.choice([8, 16, 32, 64])),
        "action_weight": float(random.uniform(0.05, 0.95)),
        "num_sub_actions": int(random.integers(9, 21)),
        "method": str(random.choice(["action_head", "action_decoder"])),
    }


def _trial(
    number: int, point: dict[str, Any], all_epochs: int, random: np.random.Generator
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a trial's row, and one row per epoch."""
    state = str(random.choice(["finished", "stopped", "failed", "interrupted"], p=[0.7, 0.25, 0.04, 0.01]))
    epochs = all_epochs if state == "finished" else int(random.choice(RUNGS))
    end = _measured(point["action_weight"], random)
    started = START + timedelta(seconds=all_epochs * SECONDS_PER_EPOCH * (number // SLOTS) + 0.1 * (number % SLOTS))
    seconds = SECONDS_PER_EPOCH * epochs * float(random.uniform(0.9, 1.1))
    reasons = {"stopped": f"stopped after epoch {epochs}", "failed": f"loss is nan at epoch {epochs}"}
    reasons["interrupted"] = "interrupted by the user"
    row = {
        "trial": number,
        "state": state,
        "reason": reasons.get(state, ""),
        "seed": number,
        "epochs": epochs,
        "slot": number % SLOTS,
        "seconds": seconds,
        "started": started,
        "first_step": started + timedelta(seconds=0.01),
        "ended": started + timedelta(seconds=seconds),
        **point,
    }
    curve = []
    for epoch in range(1, epochs + 1):
        values: dict[str, Any] = {loss: 2.0 / epoch + float(random.uniform(0, 0.1)) for loss in LOSSES}
        if epoch % EVERY == 0 or epoch == all_epochs:
            left = 1.5 * (1 - epoch / all_epochs)
            values |= {name: value * (1 + left * float(random.uniform(0.8, 1.0))) for name, value in end.items()}
            last = {name: values[name] for name in METRICS}
        curve.append({"trial": number, "epoch": epoch, "seconds": SECONDS_PER_EPOCH * epoch, **values})
    return {**row, **(last if state in ("finished", "stopped") else {})}, curve


def _measured(weight: float, random: np.random.Generator) -> dict[str, float]:
    """Return what a trial measures at its end: a trade between the objectives, and some that break a guard."""
    away = float(random.exponential(0.12))
    values = {name: float(random.uniform(0.1, 1.0)) for name in METRICS}
    values["stitch_fvu"] = 0.25 + 0.6 * weight**2.5 + away
    values["action_kl_ratio"] = 0.2 + 0.7 * (1 - weight) ** 2 + away * float(random.uniform(0.2, 0.8))
    values["shape_skill"] = 0.6 - 0.4 * weight - away * float(random.uniform(0.0, 1.5))
    values |= {"target_information": 0.4, "covered_fraction": 0.99, "code_perplexity_share": 2.0}
    values["window_samples"] = float(random.uniform(6, 40))
    values["token_specificity"] = float(random.uniform(0.015, 0.08))
    return values
