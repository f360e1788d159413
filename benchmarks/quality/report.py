"""The quality benchmark's summary over seeds, and its tables."""

from __future__ import annotations

import json
import math
import statistics
from typing import Any

from rich.table import Table

from benchmarks.quality.metrics import SHARED
from benchmarks.quality.runs import LONGER, SECONDS, STEPS, TRAINERS
from model.evaluation.names import METRICS

TRAINING = ("seconds", "steps", "loss")
OURS_ALONE = tuple(name for name in METRICS if name not in SHARED)
DIRECTIONS = {"stitch_fvu": "↓", "series_fvu": "↓", "action_kl_ratio": "↓", "action_kl": "↓", "quantization_error": "↓"}
DIRECTIONS |= dict.fromkeys(("stitch_line_ratio", "token_kl_ratio", "within_class_kl_ratio"), "↓")
DIRECTIONS |= dict.fromkeys(("shape_skill", "shape_correlation", "code_necessity"), "↑")
DIRECTIONS |= dict.fromkeys(("set_mass", "text_accuracy", "key_agreement"), "↑")


def summary(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return mean and spread over seeds of every data set, codebook size and trainer, in the order of the runs.

    Of the reference's learning rates the one that rebuilds better at the end of training, in the mean over seeds, is
    kept; the held-out part has no say in it.
    """
    rows = []
    for data, codes in dict.fromkeys((run["data"], run["codes"]) for run in runs):
        for trainer in TRAINERS:
            own = [r for r in runs if (r["data"], r["codes"], r["trainer"]) == (data, codes, trainer)]
            if own:
                rows.append({"data": data, "codes": codes, "trainer": trainer, **_over_seeds(best_rate(own))})
    return rows


def best_rate(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the runs of the learning rate with the lowest loss of series and shapes; one that broke down is worst.

    The whole loss would choose a reference that has learnt nothing: its quantisation term starts near 0 and grows as
    the codes spread (BasicMotions, rate 1e-3: loss 1.7 at series_fvu 1.00, and 5.6 at series_fvu 0.55).
    """
    rates = list(dict.fromkeys(r["rate"] for r in runs))

    def loss(rate: float) -> float:
        losses = [r["rebuilding_loss"] for r in runs if r["rate"] == rate]
        return statistics.fmean(value if math.isfinite(value) else math.inf for value in losses)

    best = min(rates, key=loss) if len(rates) > 1 else rates[0]
    return [r for r in runs if r["rate"] == best]


def _over_seeds(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "rate": runs[0]["rate"],
        "seeds": [r["seed"] for r in runs],
        "parameters": runs[0]["parameters"],
        **{name: spread([r[name] for r in runs]) for name in TRAINING if runs[0][name] is not None},
        "metrics": {name: spread([r["metrics"][name] for r in runs]) for name in runs[0]["metrics"]},
    }


def spread(values: list[float]) -> dict[str, float]:
    """Return mean and standard deviation of the seeds; a single seed has no deviation."""
    out = {"mean": statistics.fmean(values)}
    return out | ({"deviation": statistics.stdev(values)} if len(values) > 1 else {})


def tables(rows: list[dict[str, Any]]) -> list[Table]:
    """Return one table per data set and codebook size: metrics down, trainers across."""
    settings = dict.fromkeys((row["data"], row["codes"]) for row in rows)
    return [_table(setting, [r for r in rows if (r["data"], r["codes"]) == setting]) for setting in settings]


def _table(setting: tuple[str, int], rows: list[dict[str, Any]]) -> Table:
    table = Table(title=f"{setting[0]}, J = {setting[1]}, test part", caption=_caption(rows))
    table.add_column("metric", no_wrap=True)
    for row in rows:
        table.add_column(row["trainer"].replace(", ", ",\n"), justify="right", no_wrap=True)
    table.add_row("learning rate", *("" if row["rate"] is None else f"{row['rate']:g}" for row in rows))
    for name in TRAINING:
        table.add_row(name, *(_cell(row, name) for row in rows), end_section=name == TRAINING[-1])
    for name in (*SHARED, *OURS_ALONE):
        if any(name in row["metrics"] for row in rows):
            label = f"{name} {DIRECTIONS.get(name, '')}".strip()
            table.add_row(label, *(_cell(row["metrics"], name) for row in rows), end_section=name == SHARED[-1])
    return table


def _cell(figures: dict[str, Any], name: str) -> str:
    return figure(figures[name]) if name in figures else ""


def _caption(rows: list[dict[str, Any]]) -> str:
    seeds = sorted({len(row["seeds"]) for row in rows})
    text = f"mean ± standard deviation over {'–'.join(map(str, seeds))} seed(s); seconds are CPU time of training"
    if any(row["trainer"] in (STEPS, SECONDS, LONGER) for row in rows):
        text += "; the reference's learning rate is the one that rebuilds better in training"
        text += "; losses sum different terms"
    return text


def figure(of: dict[str, float]) -> str:
    """Return a mean and its deviation with three decimals, or fewer where the number is large."""
    decimals = 3 if abs(of["mean"]) < 10 else 1 if abs(of["mean"]) < 1000 else 0
    deviation = f" ± {of['deviation']:.{decimals}f}" if "deviation" in of else ""
    return f"{of['mean']:.{decimals}f}{deviation}"


def plain(value: Any) -> Any:
    """Return the same nested value with None where a number is not finite: JSON has no word for those."""
    return json.loads(json.dumps(value), parse_constant=lambda _: None)
