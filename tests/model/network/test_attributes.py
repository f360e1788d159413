from __future__ import annotations

import math

import pytest
import torch

from model.network.attributes import (
    MIN_LENGTH_FRACTION,
    AnchoredWindows,
    AttributeDecoder,
    AttributeEncoder,
    Attributes,
    FreeWindows,
    diversity_loss,
)


def raw(scale: float) -> torch.Tensor:
    return scale * torch.randn(50, 8, 2, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("placement", [FreeWindows(), AnchoredWindows(8)])
@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_windows_lie_inside_the_series(placement: FreeWindows | AnchoredWindows, scale: float) -> None:
    start, length = placement.place(raw(scale))
    assert float(start.min()) >= 0.0
    assert float((start + length).max()) <= 1.0 + 1e-6
    assert float(length.min()) >= MIN_LENGTH_FRACTION - 1e-7


def test_anchored_windows_stay_near_their_anchor() -> None:
    start, length = AnchoredWindows(8, shift=1.0, stretch=2.0).place(raw(30.0))
    anchor = torch.arange(8) / 7 * (1 - length)
    assert bool(((start - anchor).abs() <= 1 / 8 + 1e-6).all())
    assert float((start - anchor).abs().max()) == pytest.approx(1 / 8, rel=1e-4)
    assert float(length.min()) == pytest.approx(1 / 8, rel=1e-4)
    assert float(length.max()) == pytest.approx(4 / 8, rel=1e-4)


@pytest.mark.parametrize("tokens", [3, 8, 31, 32])
def test_an_untouched_anchored_window_is_its_anchor(tokens: int) -> None:
    start, length = AnchoredWindows(tokens).place(torch.zeros(1, tokens, 2))
    torch.testing.assert_close(length, torch.full((1, tokens), 2 / tokens))
    torch.testing.assert_close(start[0], torch.linspace(0, 1 - 2 / tokens, tokens))


@pytest.mark.parametrize("tokens", [1, 2])
def test_windows_as_long_as_the_series_begin_with_it(tokens: int) -> None:
    start, length = AnchoredWindows(tokens).place(torch.zeros(1, tokens, 2))
    assert start.tolist() == [[0.0] * tokens]
    assert length.tolist() == [[1.0] * tokens]


@pytest.mark.parametrize("stretched", [-1.0, 0.0, 1.0])
def test_every_window_at_its_anchor_has_a_gradient(stretched: float) -> None:
    values = torch.zeros(1, 32, 2)
    values[..., 1] = stretched
    values.requires_grad_()
    start, _ = AnchoredWindows(32, shift=1.0).place(values)
    (gradient,) = torch.autograd.grad(start.sum(), values)
    torch.testing.assert_close(gradient[..., 0], torch.full((1, 32), 1 / 32))


def test_free_windows_follow_the_paper() -> None:
    values = raw(1.0).double()
    start, length = FreeWindows().place(values)
    share = 1 / (1 + torch.exp(-values))
    torch.testing.assert_close(start, share[..., 0] * (1 - 1 / 64))
    torch.testing.assert_close(length, share[..., 1] * (1 - start - 1 / 64) + 1 / 64)


@pytest.mark.parametrize("sub_actions", [0, 5])
def test_attributes_have_their_shapes_and_go_back_to_a_token(sub_actions: int) -> None:
    decoder = AttributeDecoder(16, 4, AnchoredWindows(8))
    encoder = AttributeEncoder(16, 4, sub_actions=sub_actions)
    z, start, length = decoder(torch.randn(3, 8, 16, generator=torch.Generator().manual_seed(0)))
    assert z.shape == (3, 8, 4)
    assert start.shape == length.shape == (3, 8)
    attributes = Attributes(z, start, length, start, length)
    first, second = (encoder(z, attributes, torch.full((3, 8, 5), q).log()) for q in (0.2, 0.1))
    assert first.shape == (3, 8, 16)
    assert torch.equal(first, second) == (sub_actions == 0)


def test_diversity_loss_by_a_loop() -> None:
    generator = torch.Generator().manual_seed(1)
    start = torch.rand(2, 5, generator=generator, dtype=torch.float64) * 0.5
    length = 0.05 + torch.rand(2, 5, generator=generator, dtype=torch.float64) * 0.4
    start[0, 1], length[0, 1] = start[0, 0], length[0, 0]
    total = 0.0
    for s in range(2):
        kappa = [
            (
                math.cos(math.pi * start[s, i]) * math.log(length[s, i]) / math.log(1 / 64),
                math.sin(math.pi * start[s, i]) * math.log(length[s, i]) / math.log(1 / 64),
            )
            for i in range(5)
        ]
        for i in range(5):
            for j in range(5):
                if i != j:
                    total += max(0.0, 0.2 - math.dist(kappa[i], kappa[j]))
    assert float(diversity_loss(start, length)) == pytest.approx(total / (2 * 5 * 5), abs=1e-6)


def test_diversity_loss_has_a_finite_gradient_at_coinciding_windows() -> None:
    start = torch.full((1, 3), 0.3, requires_grad=True)
    length = torch.full((1, 3), 0.2, requires_grad=True)
    diversity_loss(start, length).backward()
    assert start.grad is not None
    assert bool(start.grad.isfinite().all())
