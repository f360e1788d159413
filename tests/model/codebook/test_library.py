from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.codebook.library import EMAQuantizer, SimQuantizer, StraightThroughQuantizer, rotate

Make = Callable[..., nn.Module]
CODES, DIM = 6, 3


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def rotation(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The rotation in the plane of two vectors that takes the direction of the first to that of the second."""
    a, b = source / np.linalg.norm(source), target / np.linalg.norm(target)
    cosine = float(a @ b)
    c = b - cosine * a
    sine = float(np.linalg.norm(c))
    c = c / sine
    turned = sine * (np.outer(c, a) - np.outer(a, c)) + (cosine - 1) * (np.outer(a, a) + np.outer(c, c))
    return np.eye(len(a)) + turned


@pytest.mark.parametrize("name", ["synchronised", "straight_through", "ema", "sim_vq"])
def test_the_rotation_trick_turns_and_scales_the_gradient(quantizer_of: Make, name: str) -> None:
    quantizer = quantizer_of(name, CODES, DIM, rotation_trick=True)
    z, weight = draw(10, DIM).requires_grad_(), draw(10, DIM, seed=4)
    quantized = quantizer(z)
    (to_z,) = torch.autograd.grad((quantized.code * weight).sum(), z)
    codes = quantizer.codes.detach().double().numpy()
    for row, index, given, found in zip(z.detach().double().numpy(), quantized.indices, weight, to_z, strict=True):
        code = codes[int(index)]
        matrix = np.linalg.norm(code) / np.linalg.norm(row) * rotation(row, code)
        np.testing.assert_allclose(matrix @ row, code, atol=1e-9)
        np.testing.assert_allclose(found, matrix.T @ given.double().numpy(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["synchronised", "straight_through", "ema", "sim_vq"])
def test_the_rotation_trick_survives_outputs_and_codes_that_are_0(quantizer_of: Make, name: str) -> None:
    quantizer = quantizer_of(name, CODES, DIM, rotation_trick=True)
    z = torch.stack([torch.zeros(DIM), *-quantizer.codes.detach()]).requires_grad_()
    quantized = quantizer(z)
    torch.testing.assert_close(quantized.code, quantizer.codes[quantized.indices])
    (to_z,) = torch.autograd.grad(quantized.code.sum(), z)
    assert bool(to_z.isfinite().all())


def test_rotating_has_the_value_of_the_code() -> None:
    z, chosen = draw(10, DIM), draw(10, DIM, seed=1)
    torch.testing.assert_close(rotate(z, chosen), chosen)


@pytest.mark.parametrize("rotation_trick", [False, True])
def test_straight_through_codes_move_by_the_codebook_loss_alone(quantizer_of: Make, rotation_trick: bool) -> None:
    quantizer = quantizer_of("straight_through", CODES, DIM, rotation_trick=rotation_trick)
    assert isinstance(quantizer, StraightThroughQuantizer)
    (codes,) = quantizer.parameters()
    z = draw(12, DIM).requires_grad_()
    quantized = quantizer(z)
    of_task = torch.autograd.grad(quantized.code.sum(), codes, allow_unused=True, materialize_grads=True)[0]
    assert not bool(of_task.any())
    quantized = quantizer(z)
    (of_loss,) = torch.autograd.grad(quantized.loss, codes)
    expected = torch.zeros(CODES, DIM)
    for row, index in zip(z.detach(), quantized.indices, strict=True):
        expected[index] += 2 * (quantizer.codes.detach()[index] - row) / z.numel()
    torch.testing.assert_close(of_loss[0], expected)


def test_averages_follow_the_formula(quantizer_of: Make) -> None:
    """n ← γ n + (1 − γ) count, s ← γ s + (1 − γ) sum, code = s / ñ, ñ the smoothed n (van den Oord et al., A.1)."""
    quantizer = quantizer_of("ema", CODES, DIM)
    assert isinstance(quantizer, EMAQuantizer)
    assert not list(quantizer.parameters())
    points = draw(60, DIM, seed=5)
    quantizer.init_codes(points, seed=0)
    codes = quantizer.codes.double().numpy().copy()
    nearest = ((points.double().numpy()[:, None] - codes) ** 2).sum(-1).argmin(-1)
    n = np.bincount(nearest, minlength=CODES).astype(float)
    s = codes * n[:, None]
    for step in range(3):
        z = draw(20, DIM, seed=10 + step)
        index = quantizer(z).indices
        quantizer.ema_update(z, index)
        count = np.bincount(index.numpy(), minlength=CODES)
        total = np.stack([z.double().numpy()[index.numpy() == j].sum(0) for j in range(CODES)])
        n, s = 0.9 * n + 0.1 * count, 0.9 * s + 0.1 * total
        smoothed = (n + 1e-5) / (n.sum() + CODES * 1e-5) * n.sum()
        np.testing.assert_allclose(quantizer.codes.numpy(), s / smoothed[:, None], rtol=1e-4, atol=1e-5)


def test_a_revived_average_stays_where_it_was_put_until_it_is_chosen(quantizer_of: Make) -> None:
    quantizer = quantizer_of("ema", CODES, DIM)
    quantizer.init_codes(draw(60, DIM, seed=5), seed=0)
    z = draw(1, DIM, seed=6)
    quantizer.replace_dead_codes(torch.tensor([0, 9, 9, 9, 9, 9]), z, 0.5, torch.Generator().manual_seed(0))
    quantizer.ema_update(draw(20, DIM, seed=7), 1 + torch.arange(20) % 5)
    torch.testing.assert_close(quantizer.codes[0], z[0], rtol=0, atol=1e-3)


def test_sim_vq_by_hand(quantizer_of: Make) -> None:
    quantizer = quantizer_of("sim_vq", CODES, DIM)
    assert isinstance(quantizer, SimQuantizer)
    (weight,) = quantizer.parameters()
    frozen = quantizer.book.frozen_codebook
    expected = torch.stack([weight @ row for row in frozen])
    torch.testing.assert_close(quantizer.codes, expected)
    z = draw(12, DIM)
    quantized = quantizer(z)
    chosen = torch.stack([min(expected, key=lambda code, r=row: float((code - r).square().sum())) for row in z])
    torch.testing.assert_close(quantized.code, chosen)
    (of_loss,) = torch.autograd.grad(quantized.loss, weight)
    error = 2 * (chosen - z).detach() / z.numel()
    torch.testing.assert_close(of_loss, error.T @ frozen[quantized.indices])


def test_a_step_of_the_map_moves_all_codes_of_sim_vq_together(quantizer_of: Make) -> None:
    quantizer = quantizer_of("sim_vq", CODES, DIM)
    quantizer.init_codes(draw(60, DIM, seed=5), seed=0)
    before, frozen = quantizer.codes.detach().clone(), quantizer.book.frozen_codebook.clone()
    quantizer(draw(1, DIM)).loss.backward()
    with torch.no_grad():
        quantizer.book.code_transform.weight -= 0.1 * quantizer.book.code_transform.weight.grad
    assert bool((quantizer.codes - before).abs().amax(-1).gt(0).all())
    assert torch.equal(quantizer.book.frozen_codebook, frozen)
