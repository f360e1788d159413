from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.codebook.finite_scalar import FiniteScalarQuantizer, split_levels

Make = Callable[..., nn.Module]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("codes", [*range(2, 65), 509, 512, 1000])
@pytest.mark.parametrize("dim", [1, 2, 16])
def test_levels_multiply_to_the_codebook_size(codes: int, dim: int) -> None:
    levels = split_levels(codes, dim)
    assert math.prod(levels) == codes
    assert min(levels) >= 2
    assert len(levels) <= dim
    assert list(levels) == sorted(levels, reverse=True)
    others = itertools.product(range(2, levels[0]), repeat=len(levels)) if codes < 65 else []
    assert not any(math.prod(other) == codes for other in others)


def test_levels_of_common_sizes() -> None:
    found = {codes: split_levels(codes, 16) for codes in (4, 8, 12, 13, 16, 32, 64, 512)}
    assert found == {
        4: (4,),
        8: (4, 2),
        12: (4, 3),
        13: (13,),
        16: (4, 4),
        32: (4, 4, 2),
        64: (4, 4, 4),
        512: (4, 4, 4, 4, 2),
    }


@pytest.mark.parametrize("codes", [2, 6, 7, 24])
def test_each_number_is_rounded_to_the_nearest_of_its_levels(quantizer_of: Make, codes: int) -> None:
    quantizer = quantizer_of("fsq", codes, 5)
    assert isinstance(quantizer, FiniteScalarQuantizer)
    levels = split_levels(codes, 5)
    z = 3 * draw(40, 5)
    quantized = quantizer(z)
    into, out = quantizer.project_in, quantizer.project_out
    for row, code, index in zip(z, quantized.code, quantized.indices, strict=True):
        bounded = np.tanh((into.weight @ row + into.bias).detach().double().numpy())
        steps = [
            int(np.argmin([abs(u + 1 - 2 * k / (n - 1)) for k in range(n)]))
            for u, n in zip(bounded, levels, strict=True)
        ]
        assert int(index) == sum(k * math.prod(levels[:i]) for i, k in enumerate(steps))
        point = torch.tensor([2 * k / (n - 1) - 1 for k, n in zip(steps, levels, strict=True)], dtype=torch.float32)
        torch.testing.assert_close(code, out.weight @ point + out.bias, rtol=1e-5, atol=1e-5)


def test_every_code_can_be_reached_and_is_different(quantizer_of: Make) -> None:
    quantizer = quantizer_of("fsq", 12, 3)
    assert quantizer(5 * draw(4000, 3)).indices.unique().tolist() == list(range(12))
    distance = torch.cdist(quantizer.codes, quantizer.codes) + torch.eye(12)
    assert float(distance.min().detach()) > 1e-3


def test_the_gradient_passes_the_rounding_and_moves_both_projections(quantizer_of: Make) -> None:
    quantizer = quantizer_of("fsq", 6, 3)
    z, weight = draw(10, 3).requires_grad_(), draw(10, 3, seed=4)
    parameters = [quantizer.project_in.weight, quantizer.project_out.weight]
    quantized = quantizer(z)
    to_z, to_in, to_out = torch.autograd.grad((quantized.code * weight).sum(), [z, *parameters])
    bounded = quantizer.project_in(z).tanh().detach()
    to_number = weight @ quantizer.project_out.weight.detach() * (1 - bounded.square())
    torch.testing.assert_close(to_z, to_number @ quantizer.project_in.weight)
    torch.testing.assert_close(to_in, to_number.T @ z)
    points = quantizer.grid.implicit_codebook[quantized.indices]
    torch.testing.assert_close(to_out, weight.T @ points)


def test_the_start_follows_the_longest_directions_of_the_data(quantizer_of: Make) -> None:
    """Points on a plane: the grid then lies in that plane, and explains most of them."""
    plane = torch.linalg.qr(draw(5, 2, seed=2)).Q
    z = draw(500, 2, seed=3) * torch.tensor([3.0, 1.0]) @ plane.T + 7
    quantizer = quantizer_of("fsq", 16, 5)
    quantizer.init_codes(z, seed=0)
    codes = quantizer.codes.detach() - 7
    torch.testing.assert_close(codes @ plane @ plane.T, codes, rtol=0, atol=1e-3)
    quantized = quantizer(z)
    assert float((quantized.code.detach() - z).square().sum() / (z - z.mean(0)).square().sum()) < 0.25
    assert len(quantized.indices.unique()) == 16


def test_there_is_no_loss_and_nothing_to_revive(quantizer_of: Make) -> None:
    quantizer = quantizer_of("fsq", 6, 3)
    before = quantizer.codes.detach().clone()
    assert float(quantizer(draw(4, 3)).loss) == 0.0
    state = (generator := torch.Generator().manual_seed(0)).get_state()
    assert quantizer.replace_dead_codes(torch.zeros(6), draw(4, 3), 0.1, generator).tolist() == []
    quantizer.ema_update(draw(4, 3), torch.zeros(4, dtype=torch.long))
    assert torch.equal(quantizer.codes, before)
    assert torch.equal(generator.get_state(), state)
