"""How fast training is, and what it needs: series per second, peak memory, share of the matrix-product rate.

    python -m benchmarks.trainer                                   # ours, all sizes, on the CPU
    python -m benchmarks.trainer --reference ../VQShape            # side by side with a clone of the reference
    python -m benchmarks.trainer --quick --json speed.json

Owns the command line and the order of measurements. Per setting everything is built once; then, after an untimed step
each, one step of each trainer is timed in turn (ours with codes, ours in the phase before codes, the reference, a
matrix product), for several rounds, so that whatever else the machine does falls on all of them alike. Figures are
medians over the rounds; a ratio is the median of the rounds' ratios. Peak memory is measured afterwards, each in a
process of its own. Series are synthetic: nothing is downloaded or read. Exit codes: 0 done, 2 bad input, 130 stopped.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from benchmarks.command_line import BenchmarkError, OneLineParser, check_json, positive, run_benchmark
from benchmarks.machine import machine, table, versions
from benchmarks.reference import load_reference, reference_trainer
from benchmarks.trainer.arithmetic import MatrixProduct, count_flops, seconds
from benchmarks.trainer.memory import peak_bytes
from benchmarks.trainer.steps import (
    OurTrainer,
    Sizes,
    Trainer,
    our_configuration,
)
from model.configuration.sections import Architecture

FULL = {"widths": [64, 128, 256], "batches": [32, 192], "codes": [16, 64, 512], "rounds": 5}
QUICK = {"widths": [64], "batches": [32], "codes": [16], "rounds": 3}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line and fills in what `--quick` leaves out.

    Raises:
        BenchmarkError: An argument that cannot be used.
    """
    parser = OneLineParser(description="Speed and memory of training.", allow_abbrev=False)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--reference", type=Path, metavar="DIR", help="clone of github.com/YunshiWen/VQShape")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every figure there")
    parser.add_argument("--quick", action="store_true", help="one small setting; the lists below override it")
    parser.add_argument("--widths", type=positive, nargs="+", metavar="D", help="token widths; 4 layers from 256 on")
    parser.add_argument("--batches", type=positive, nargs="+", metavar="S", help="series per step")
    parser.add_argument("--codes", type=positive, nargs="+", metavar="J", help="codes in the codebook")
    parser.add_argument(
        "--expansions", type=positive, nargs="+", metavar="E", help="of our feed-forward blocks; the reference has 4"
    )
    parser.add_argument("--rounds", type=positive, metavar="N", help="timed steps of each trainer")
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads; default is torch's choice")
    parser.add_argument("--no-memory", action="store_true", help="leaves the memory out, some half of the time")
    options = parser.parse_args(arguments)
    for name, value in (QUICK if options.quick else FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    options.expansions = options.expansions or [Architecture().expansion]
    if options.device == "cuda" and not torch.cuda.is_available():
        raise BenchmarkError("--device cuda: torch sees no GPU here; use --device cpu")
    check_json(options.json)
    return options


def measure_setting(
    sizes: Sizes, device: torch.device, rounds: int, vqshape: type[nn.Module] | None
) -> dict[str, dict[str, Any]]:
    """Times one setting, steps in turn.

    Args:
        sizes: Of the model and the batch.
        device: Where everything runs.
        rounds: Timed steps of each trainer.
        vqshape: The reference's model, or None for ours alone.

    Returns:
        Figures of `quantised`, `warm_up`, `reference` (where asked for) and `matrix_product`.
    """
    trainers: dict[str, Trainer] = {
        "quantised": OurTrainer(sizes, device),
        "warm_up": OurTrainer(sizes, device, quantised=False),
    }
    if vqshape is not None:
        trainers["reference"] = reference_trainer(vqshape, sizes, device)
    product = MatrixProduct(device)
    trainers["quantised"].step()  # its first step also starts the codebook, once per training
    flops = {name: count_flops(trainer.step) for name, trainer in trainers.items()} | {"matrix_product": product.flops}
    steps: dict[str, Callable[[], None]] = {name: trainer.step for name, trainer in trainers.items()}
    steps["matrix_product"] = product.step
    product.step()
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            times[name].append(seconds(step, device))
    figures = {name: _figures(times[name], flops[name], times, product.flops) for name in steps}
    for name, trainer in trainers.items():
        figures[name] |= {"series_per_s": sizes.series / figures[name]["step_s"], "parameters": trainer.parameters}
    return figures


def _figures(own: list[float], flops: int, times: dict[str, list[float]], product_flops: int) -> dict[str, Any]:
    share = [flops / s / (product_flops / p) for s, p in zip(own, times["matrix_product"], strict=True)]
    return {
        "step_s": statistics.median(own),
        "all_step_s": own,
        "flops": flops,
        "flops_per_s": flops / statistics.median(own),
        "matrix_product_share": statistics.median(share),
    }


def measure_memory(row: dict[str, Any], sizes: Sizes, options: argparse.Namespace) -> None:
    """Adds `peak_bytes` to each trainer's figures in `row`."""
    for name in ("quantised", "warm_up", "reference"):
        if row.get(name):
            row[name]["peak_bytes"] = peak_bytes(
                name, sizes, options.device, torch.get_num_threads(), options.reference
            )


def ratios(row: dict[str, Any], unquantised_fraction: float) -> dict[str, float]:
    """Ours against the reference; above 1 is faster, and for the memory below 1 is less.

    Args:
        row: Figures of one setting.
        unquantised_fraction: Share of the epochs before codes are used.

    Returns:
        `speed_quantised`, `speed_warm_up`, `speed_run` (a whole run, both phases) and, where measured, `memory` (the
        larger of our phases).
    """
    quantised, warm_up = row["quantised"]["all_step_s"], row["warm_up"]["all_step_s"]
    run = [(1 - unquantised_fraction) * q + unquantised_fraction * w for q, w in zip(quantised, warm_up, strict=True)]
    reference = row["reference"]["all_step_s"]
    out = {
        f"speed_{name}": statistics.median(r / o for r, o in zip(reference, ours, strict=True))
        for name, ours in (("quantised", quantised), ("warm_up", warm_up), ("run", run))
    }
    if "peak_bytes" in row["reference"]:
        ours_bytes = max(row["quantised"]["peak_bytes"], row["warm_up"]["peak_bytes"])
        out["memory"] = ours_bytes / max(1, row["reference"]["peak_bytes"])
    return out


def run(options: argparse.Namespace, progress: Console) -> dict[str, Any]:
    """Measures everything that was asked for; the result is what `--json` writes."""
    began = time.perf_counter()
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    settings = [
        Sizes(*s) for s in itertools.product(options.widths, options.batches, options.codes, options.expansions)
    ]
    configurations = [our_configuration(sizes) for sizes in settings]  # all at once: a bad one is named before any work
    defaults = configurations[0]
    fraction = type(defaults.training)().unquantized_fraction
    vqshape = load_reference(options.reference) if options.reference else None
    rows = []
    for number, sizes in enumerate(settings, 1):
        progress.print(f"{number} of {len(settings)}: {sizes}")
        row: dict[str, Any] = {**sizes._asdict(), "layers": sizes.layers, "reference": None, "ratio": None}
        row |= measure_setting(sizes, device, options.rounds, vqshape)
        if not options.no_memory:
            measure_memory(row, sizes, options)
        if vqshape is not None:
            row["ratio"] = ratios(row, fraction)
        rows.append(row)
    return {
        "benchmark": "trainer",
        "device": options.device,
        "threads": torch.get_num_threads(),
        "rounds": options.rounds,
        "unquantised_fraction": fraction,
        "architecture": defaults.architecture.model_dump(
            exclude={"width", "encoder_layers", "tokenizer_layers", "decoder_layers"}
        ),
        "versions": versions(with_reference=vqshape is not None),
        "machine": machine(device),
        "rows": rows,
        "seconds": time.perf_counter() - began,
    }


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    return run_benchmark("trainer.py", lambda: parse(arguments), run, lambda result: [table(result)])


if __name__ == "__main__":
    sys.exit(main())
