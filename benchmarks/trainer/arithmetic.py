"""How much arithmetic a step is, and how fast the machine multiplies matrices at best.

Floating-point operations are those of matrix products, convolutions and attention; a multiply-add is 2. The rate of one
large matrix product is the yardstick for "share of the machine".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

MATRIX_SIZE = {"cpu": 1024, "cuda": 8192}
MATRIX_TYPE = {"cpu": torch.float32, "cuda": torch.bfloat16}  # what the transformers compute in there


def _attention(query: Any, key: Any, value: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward(grad: Any, query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> int:
    return sdpa_backward_flop_count(grad, query, key, value)


# torch's counter knows the GPU's fused attention but not the CPU's (torch 2.13), which would then count as free.
_CPU_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


def count_flops(step: Callable[[], None]) -> int:
    """Run `step` once and count its floating-point operations, forward and backward."""
    with FlopCounterMode(display=False, custom_mapping=_CPU_ATTENTION) as counter:
        step()
    return counter.get_total_flops()


class MatrixProduct:
    """A large matrix product that keeps the device busy and can be timed like a step."""

    REPEATS = 4

    def __init__(self, device: torch.device):
        n = MATRIX_SIZE[device.type]
        self.a, self.b = (torch.randn(n, n, device=device).to(MATRIX_TYPE[device.type]) for _ in range(2))
        self.out = torch.empty_like(self.a)
        self.flops = self.REPEATS * 2 * n**3

    def step(self) -> None:
        """Multiply a few times."""
        for _ in range(self.REPEATS):
            torch.mm(self.a, self.b, out=self.out)


def seconds(step: Callable[[], None], device: torch.device) -> float:
    """Return the wall-clock time of one call, until the device is done."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    start = time.perf_counter()
    step()
    wait()
    return time.perf_counter() - start
