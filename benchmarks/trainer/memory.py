"""Peak memory of training, each measurement in a process of its own.

CPU: the highest resident size during the steps minus the resident size just before them, when torch is imported, its
kernels are loaded (by a step of a tiny model) and the model and the data are built; so it holds gradients, optimiser
state, activations and temporaries, but neither the libraries nor the weights. CUDA: the same difference of torch's
allocated bytes. `python -m benchmarks.trainer` starts such a process, which prints one number of bytes:

    python -m benchmarks.trainer.memory '{"kind": "quantised", "sizes": [64, 32, 16], "device": "cpu", "threads": 1}'
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.command_line import BenchmarkError
from benchmarks.reference import load_reference
from benchmarks.trainer.steps import Sizes, build_trainer

STEPS = 2  # the first makes the optimiser's state, the second holds it beside the activations
TINY = Sizes(width=16, series=2, codes=4)


def peak_bytes(kind: str, sizes: Sizes, device: str, threads: int, reference: Path | None) -> int:
    """Measure one of `steps.KINDS` in a fresh process.

    Raises:
        BenchmarkError: The process failed; the message ends with its last line.
    """
    task = {"kind": kind, "sizes": sizes, "device": device, "threads": threads}
    task |= {"reference": str(reference) if reference else None}
    command = [sys.executable, "-m", "benchmarks.trainer.memory", json.dumps(task)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BenchmarkError(f"measuring the memory of {kind} at {sizes} ended with {done.returncode}: {last}")
    return int(done.stdout)


def measure(task: dict[str, Any]) -> int:
    """Measure in this process, which should do nothing else; return bytes."""
    torch.set_num_threads(task["threads"])
    kind, device = task["kind"], torch.device(task["device"])
    vqshape = load_reference(Path(task["reference"])) if kind == "reference" and task.get("reference") else None
    build_trainer(kind, TINY, device, vqshape).step()
    trainer = build_trainer(kind, Sizes(*task["sizes"]), device, vqshape)
    gc.collect()
    return _allocated(trainer.step, device) if device.type == "cuda" else _resident(trainer.step)


def _allocated(step: Callable[[], None], device: torch.device) -> int:
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    for _ in range(STEPS):
        step()
    return torch.cuda.max_memory_allocated(device) - before


def _resident(step: Callable[[], None]) -> int:
    # What was freed before goes back to the system: reused unseen, it would be missing from the growth.
    with contextlib.suppress(OSError, AttributeError):  # only glibc has malloc_trim
        ctypes.CDLL(None).malloc_trim(0)
    before, highest = _start_of_peak()
    for _ in range(STEPS):
        step()
    return max(0, highest() - before)


def _start_of_peak() -> tuple[int, Callable[[], int]]:
    """Return the resident size now, and what reads the highest since.

    `ru_maxrss` cannot be set back and starts from the size of the parent process, so Linux's own mark is taken where
    it can be.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM back to VmRSS
        return _status("VmRSS"), lambda: _status("VmHWM")
    except OSError:
        return _max_resident(), _max_resident


def _max_resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {key}")


if __name__ == "__main__":
    print(measure(json.loads(sys.argv[1])))
