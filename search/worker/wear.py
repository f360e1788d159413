"""The health of a worker process: what it holds, and when it has to be replaced.

A process is replaced after a fault of its device, after so many trials, or when its memory creeps up. Memory is
compared with what the process held after its second trial: the first one loads libraries and fills caches.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from ray.util.metrics import Gauge

from search.trials import TrialResult
from search.worker.trial_loop import CUDA_ERROR

SETTLED_AFTER = 2  # trials
MOST_GROWTH = 2.0
LEAST_GROWTH_BYTES = 1 << 30
OUT_OF_MEMORY = "out of memory"  # it may be another's on the same device: a fresh worker tries once more


def memory_bytes() -> dict[str, int]:
    """Return what this process holds: resident memory, and the GPU's where torch uses one."""
    held = {}
    statm = Path("/proc/self/statm")  # elsewhere than on Linux, memory is not watched
    if statm.exists():
        held["memory"] = int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    if torch.cuda.is_initialized():
        held["GPU memory"] = torch.cuda.memory_allocated()
    return held


def release_gpu() -> None:
    """Give back GPU memory that a trial has left in torch's cache: others may share the device."""
    if torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()


class WorkerHealth:
    """Watches one worker process."""

    def __init__(self, most_trials: int | None, memory: Callable[[], Mapping[str, int]] = memory_bytes):
        """Begin with a fresh process, which is replaced after `most_trials`; None: after any number.

        `memory` measures what is held, in bytes by name.
        """
        self._most_trials = most_trials
        self._memory = memory
        self._trials = 0
        self._settled: dict[str, int] = {}

    def after(self, result: TrialResult) -> str:
        """Note a trial that has ended, and return why the process has to be replaced; "" if it need not."""
        self._trials += 1
        if CUDA_ERROR in result.reason:
            return f"trial {result.request.trial} ended with a CUDA error"
        if self._most_trials is not None and self._trials >= self._most_trials:
            return f"it has run {self._trials} trials"
        held = dict(self._memory())
        if self._trials <= SETTLED_AFTER:
            self._settled = held
            return ""
        if not self._excess(held):
            return ""
        gc.collect()  # what is only waiting to be freed does not count
        return self._excess(dict(self._memory()))

    def _excess(self, held: Mapping[str, int]) -> str:
        for name, size in held.items():
            settled = self._settled.get(name, 0)
            if size > max(MOST_GROWTH * settled, settled + LEAST_GROWTH_BYTES):
                return f"its {name} has grown from {settled / 2**30:.1f} to {size / 2**30:.1f} GiB"
        return ""


class WorkerGauge:
    """The GPU memory of a worker's process, by slot; nothing where it has no GPU."""

    def __init__(self, run: str, slot: int):
        self._gauge: Any = None
        if torch.cuda.is_available():
            text = "GPU memory that torch holds for the trials of a slot"
            self._gauge = Gauge("search_gpu_memory_bytes", text, ("run", "slot"))
            self._labels = {"run": run, "slot": str(slot)}

    def set(self) -> None:
        """Set it to what is held now, in bytes."""
        if self._gauge is not None:
            self._gauge.set(torch.cuda.memory_reserved(), self._labels)
