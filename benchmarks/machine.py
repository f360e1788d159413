"""The trainer benchmark's table, and what is noted of the machine."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

MIB = 2**20


def table(result: dict[str, Any]) -> Table:
    """One line per setting; with a reference, both beside each other and their ratios."""
    compared = any(row["ratio"] for row in result["rows"])
    lines = Table(title=_title(result), caption=_caption(compared, result["unquantised_fraction"]))
    columns = ["width", "layers", "series", "J", "E", "series\n/s", "before\ncodes", "of\nmatmul", "\nMiB"]
    columns += ["reference\nseries/s", "of\nmatmul", "\nMiB", "speed", "whole\nrun", "memory"] if compared else []
    for column in columns:
        lines.add_column(column, justify="right")
    for row in result["rows"]:
        lines.add_row(*_cells(row))
    return lines


def _cells(row: dict[str, Any]) -> list[str]:
    ours, reference, ratio = row["quantised"], row["reference"], row["ratio"]
    cells = [str(row[key]) for key in ("width", "layers", "series", "codes", "expansion")]
    cells += [_rate(ours), _rate(row["warm_up"]), _share(ours), _mib(ours, row["warm_up"])]
    if reference:
        cells += [_rate(reference), _share(reference), _mib(reference)]
        cells += [f"{ratio['speed_quantised']:.1f}×", f"{ratio['speed_run']:.1f}×"]
        cells += [f"{ratio['memory']:.2f}×" if "memory" in ratio else "–"]
    return cells


def _rate(figures: dict[str, Any]) -> str:
    return f"{figures['series_per_s']:.1f}"


def _share(figures: dict[str, Any]) -> str:
    return f"{figures['matrix_product_share']:.0%}"


def _mib(*figures: dict[str, Any]) -> str:
    """The largest peak among phases of one trainer."""
    if any("peak_bytes" not in f for f in figures):
        return "–"
    return f"{max(f['peak_bytes'] for f in figures) / MIB:.0f}"


def _title(result: dict[str, Any]) -> str:
    where = result["machine"]["gpu"] or result["machine"]["processor"]
    rates = sorted(row["matrix_product"]["flops_per_s"] for row in result["rows"])
    rate = f"matrix products {rates[len(rates) // 2] / 1e9:.0f} GFLOP/s"
    return f"Training, {where}, threads {result['threads']}, {rate}"


def _caption(compared: bool, fraction: float) -> str:
    text = "series/s with codes; 'before codes' is the phase without them; MiB is the larger peak of both phases; "
    text += "E is the expansion of our feed-forward blocks (the reference has 4)"
    if compared:
        text += f"; ratios are ours to the reference; 'whole run' has {fraction:.0%} of its epochs before codes"
    return text


def versions(with_reference: bool) -> dict[str, str | None]:
    """Versions of what the figures depend on; None where it is not installed."""
    names = ["torch", "numpy", *(["einops"] if with_reference else [])]
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def machine(device: torch.device) -> dict[str, Any]:
    """What the figures were measured on."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "load_average_at_end": load,
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
