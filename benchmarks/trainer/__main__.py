"""How fast training is, and what it needs: series per second, peak memory, share of the matrix-product rate.

    python -m benchmarks.trainer                                   # ours, all sizes, on the CPU
    python -m benchmarks.trainer --reference ../VQShape            # side by side with a clone of the reference
    python -m benchmarks.trainer --quick --json speed.json

Per setting everything is built once; then, after an untimed step each, one step of each trainer is timed in turn (ours
with codes, ours in the phase before codes, the reference, a matrix product), for several rounds, so that whatever else
the machine does falls on all of them alike. Figures are medians over the rounds; a ratio is the median of the rounds'
ratios. Peak memory is measured afterwards, each in a process of its own. Series are synthetic: nothing is downloaded.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from functools import partial
from types import SimpleNamespace
from typing import Any

import click
import torch
from rich.table import Table
from torch import nn

from benchmarks.command_line import JSON, PATH, POSITIVE, PROGRESS, benchmark, finish, table_of
from benchmarks.machine import DEVICE, machine, versions
from benchmarks.reference import load_reference
from benchmarks.trainer.arithmetic import MatrixProduct, count_flops, seconds
from benchmarks.trainer.memory import peak_bytes
from benchmarks.trainer.steps import KINDS, Sizes, build_trainer, our_configuration
from model.configuration.sections import Architecture

FULL = {"widths": [64, 128, 256], "batches": [32, 192], "codes": [16, 64, 512], "rounds": 5}
QUICK = {"widths": [64], "batches": [32], "codes": [16], "rounds": 3}
MIB = 2**20
_numbers = partial(click.option, type=POSITIVE, multiple=True)


@benchmark("python -m benchmarks.trainer", several=("--widths", "--batches", "--codes", "--expansions"))
@DEVICE
@click.option("--reference", type=PATH, metavar="DIR", help="clone of github.com/YunshiWen/VQShape")
@JSON
@click.option("--quick", is_flag=True, help="one small setting; the lists below override it")
@_numbers("--widths", metavar="D ...", help="token widths; 4 layers from 256 on")
@_numbers("--batches", metavar="S ...", help="series per step")
@_numbers("--codes", metavar="J ...", help="codes in the codebook")
@_numbers("--expansions", metavar="E ...", help="of our feed-forward blocks; the reference has 4")
@click.option("--rounds", type=POSITIVE, metavar="N", help="timed steps of each trainer")
@click.option("--threads", type=POSITIVE, metavar="N", help="CPU threads; default is torch's choice")
@click.option("--no-memory", is_flag=True, help="leave the memory out, some half of the time")
def main(**given: Any) -> int:
    """Measure speed and memory of training."""
    defaults = {**(QUICK if given["quick"] else FULL), "expansions": [Architecture().expansion]}
    options = SimpleNamespace(**given | {name: given[name] or value for name, value in defaults.items()})
    began = time.perf_counter()
    if options.threads:
        torch.set_num_threads(options.threads)
    lists = (options.widths, options.batches, options.codes, options.expansions)
    settings = [Sizes(*sizes) for sizes in itertools.product(*lists)]
    configured, *_ = [our_configuration(sizes) for sizes in settings]  # a bad one is named before any work
    fraction = type(configured.training)().unquantized_fraction
    vqshape = load_reference(options.reference) if options.reference else None
    rows = []
    for number, sizes in enumerate(settings, 1):
        PROGRESS.print(f"{number} of {len(settings)}: {sizes}")
        row: dict[str, Any] = {**sizes._asdict(), "layers": sizes.layers, "reference": None, "ratio": None}
        row |= measure_setting(sizes, torch.device(options.device), options.rounds, vqshape)
        for kind in () if options.no_memory else filter(row.get, KINDS):
            threads = torch.get_num_threads()
            row[kind]["peak_bytes"] = peak_bytes(kind, sizes, options.device, threads, options.reference)
        if vqshape is not None:
            row["ratio"] = ratios(row, fraction)
        rows.append(row)
    layers = {"width", "encoder_layers", "tokenizer_layers", "decoder_layers"}
    result = {
        "benchmark": "trainer",
        "device": options.device,
        "threads": torch.get_num_threads(),
        "rounds": options.rounds,
        "unquantised_fraction": fraction,
        "architecture": configured.architecture.model_dump(exclude=layers),
        "versions": versions("torch", "numpy", *(["einops"] if vqshape is not None else [])),
        "machine": machine(options.device),
        "rows": rows,
        "seconds": time.perf_counter() - began,
    }
    return finish(result, options.json, [table(result)])


def measure_setting(
    sizes: Sizes, device: torch.device, rounds: int, vqshape: type[nn.Module] | None
) -> dict[str, dict[str, Any]]:
    """Time one setting, steps in turn; return figures of `KINDS`, as far as there are any, and of `matrix_product`."""
    kinds = [kind for kind in KINDS if kind != "reference" or vqshape]
    trainers = {kind: build_trainer(kind, sizes, device, vqshape) for kind in kinds}
    product = MatrixProduct(device)
    trainers["quantised"].step()  # its first step also starts the codebook, once per training
    flops = {name: count_flops(trainer.step) for name, trainer in trainers.items()} | {"matrix_product": product.flops}
    steps = {name: trainer.step for name, trainer in trainers.items()} | {"matrix_product": product.step}
    product.step()
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            times[name].append(seconds(step, device))
    best = [product.flops / s for s in times["matrix_product"]]
    figures = {name: _figures(times[name], flops[name], best) for name in steps}
    for name, trainer in trainers.items():
        figures[name] |= {"series_per_s": sizes.series / figures[name]["step_s"], "parameters": trainer.parameters}
    return figures


def _figures(own: list[float], flops: int, best: list[float]) -> dict[str, Any]:
    return {
        "step_s": statistics.median(own),
        "all_step_s": own,
        "flops": flops,
        "flops_per_s": flops / statistics.median(own),
        "matrix_product_share": statistics.median(flops / s / rate for s, rate in zip(own, best, strict=True)),
    }


def ratios(row: dict[str, Any], unquantised_fraction: float) -> dict[str, float]:
    """Return ours against the reference, of the figures of one setting; above 1 is faster, for the memory below 1 less.

    `speed_run` is of a whole run, in which a fraction of the epochs comes before codes are used, and `memory`, where it
    was measured, is the larger of our phases.
    """
    quantised, warm_up, reference = (row[kind]["all_step_s"] for kind in KINDS)
    run = [(1 - unquantised_fraction) * q + unquantised_fraction * w for q, w in zip(quantised, warm_up, strict=True)]
    out = {
        f"speed_{name}": statistics.median(r / o for r, o in zip(reference, ours, strict=True))
        for name, ours in (("quantised", quantised), ("warm_up", warm_up), ("run", run))
    }
    if "peak_bytes" in row["reference"]:
        *ours_bytes, theirs = (row[kind]["peak_bytes"] for kind in KINDS)
        out["memory"] = max(ours_bytes) / max(1, theirs)
    return out


def table(result: dict[str, Any]) -> Table:
    """Return one line per setting; with a reference, both beside each other and their ratios."""
    compared = any(row["ratio"] for row in result["rows"])
    headings = ["width", "layers", "series", "J", "E", "series\n/s", "before\ncodes", "of\nmatmul", "\nMiB"]
    headings += ["reference\nseries/s", "of\nmatmul", "\nMiB", "speed", "whole\nrun", "memory"] if compared else []
    where = result["machine"]["gpu"] or result["machine"]["processor"]
    rates = sorted(row["matrix_product"]["flops_per_s"] for row in result["rows"])
    rate = f"matrix products {rates[len(rates) // 2] / 1e9:.0f} GFLOP/s"
    caption = "series/s with codes; 'before codes' is the phase without them; MiB is the larger peak of both phases; "
    caption += "E is the expansion of our feed-forward blocks (the reference has 4)"
    if compared:
        caption += "; ratios are ours to the reference; "
        caption += f"'whole run' has {result['unquantised_fraction']:.0%} of its epochs before codes"
    title = f"Training, {where}, threads {result['threads']}, {rate}"
    return table_of(headings, map(_cells, result["rows"]), left=0, title=title, caption=caption)


def _cells(row: dict[str, Any]) -> list[str]:
    ours, warm_up, reference, ratio = (row[key] for key in ("quantised", "warm_up", "reference", "ratio"))
    cells = [str(row[key]) for key in ("width", "layers", "series", "codes", "expansion")]
    cells += [_rate(ours), _rate(warm_up), _share(ours), _mib(ours, warm_up)]
    if reference:
        cells += [_rate(reference), _share(reference), _mib(reference)]
        cells += [f"{ratio['speed_quantised']:.1f}×", f"{ratio['speed_run']:.1f}×"]
        cells += [f"{ratio['memory']:.2f}×" if "memory" in ratio else "–"]
    return cells


def _rate(figures: dict[str, Any]) -> str:
    return f"{figures['series_per_s']:.1f}"


def _share(figures: dict[str, Any]) -> str:
    return f"{figures['matrix_product_share']:.0%}"


def _mib(*phases: dict[str, Any]) -> str:
    """Say the largest peak among phases of one trainer."""
    peaks = [phase["peak_bytes"] / MIB for phase in phases if "peak_bytes" in phase]
    return f"{max(peaks):.0f}" if len(peaks) == len(phases) else "–"


if __name__ == "__main__":
    sys.exit(main())
