"""What is noted of the machine and of the installed packages beside every figure."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.command_line import BenchmarkError


def _present(_: click.Context, __: click.Parameter, device: str) -> str:
    if device == "cuda" and not torch.cuda.is_available():
        raise BenchmarkError("--device cuda: torch sees no GPU here; use --device cpu")
    return device


DEVICE = click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", callback=_present)


def versions(*packages: str) -> dict[str, str | None]:
    """Return the versions of Python and of packages; None where one is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def machine(device: str = "cpu") -> dict[str, Any]:
    """Return what the figures were measured on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "load_average_at_end": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "gpu": torch.cuda.get_device_name(device) if device != "cpu" else None,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
