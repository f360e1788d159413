"""When a worker process is replaced: after a fault of its device, after so many trials, or when memory creeps up.

Owns the measures alone; who replaces it is in `search.worker.group`. Memory is compared with what the process held
after its second trial: the first one loads libraries and fills caches.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from search.trials import TrialResult

CUDA_ERROR = "CUDA error"
SETTLED_AFTER = 2  # trials
MOST_GROWTH = 2.0
LEAST_GROWTH_BYTES = 1 << 30


def memory_bytes() -> dict[str, int]:
    """Return what this process holds: resident memory, and the GPU's where torch uses one."""
    held = {}
    statm = Path("/proc/self/statm")  # elsewhere than on Linux, memory is not watched
    if statm.exists():
        held["memory"] = int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        held["GPU memory"] = torch.cuda.memory_allocated()
    return held


class WorkerHealth:
    """Watches one worker process."""

    def __init__(self, most_trials: int | None, memory: Callable[[], Mapping[str, int]] = memory_bytes):
        """Begin with a fresh process.

        Args:
            most_trials: After so many it is replaced; None: after any number.
            memory: Measures what is held, in bytes by name.
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
