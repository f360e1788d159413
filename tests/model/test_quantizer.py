from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from model.quantizer import StraightThroughQuantizer, SynchronisedQuantizer, entropy_loss


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=[StraightThroughQuantizer, SynchronisedQuantizer])
def quantizer(request: pytest.FixtureRequest) -> StraightThroughQuantizer:
    book = request.param(5, 3, commitment=0.25)
    book.codes.data = draw(5, 3, seed=9)
    return book


def test_the_nearest_code_is_chosen(quantizer: StraightThroughQuantizer) -> None:
    z = draw(2, 7, 3)
    quantized = quantizer(z)
    for i in range(2):
        for n in range(7):
            distances = [float(((z[i, n] - code) ** 2).sum()) for code in quantizer.codes.detach()]
            assert int(quantized.indices[i, n]) == int(np.argmin(distances))
    torch.testing.assert_close(quantized.code, quantizer.codes[quantized.indices])


def test_a_code_is_mapped_to_itself(quantizer: StraightThroughQuantizer) -> None:
    quantized = quantizer(quantizer.codes.detach())
    assert quantized.indices.tolist() == [0, 1, 2, 3, 4]
    assert float(quantized.loss) == pytest.approx(0.0, abs=1e-12)


def test_the_loss_is_codebook_plus_commitment(quantizer: StraightThroughQuantizer) -> None:
    z = draw(2, 7, 3).requires_grad_()
    quantized = quantizer(z)
    error = quantizer.codes[quantized.indices] - z
    assert float(quantized.loss) == pytest.approx(1.25 * float(error.square().mean()), rel=1e-5)
    (to_z,) = torch.autograd.grad(quantized.loss, z)
    torch.testing.assert_close(to_z, -2 * 0.25 * error.detach() / error.numel())


def test_the_task_gradient_reaches_the_encoder_with_both(quantizer: StraightThroughQuantizer) -> None:
    z, weight = draw(2, 7, 3).requires_grad_(), draw(2, 7, 3, seed=4)
    (to_z,) = torch.autograd.grad((quantizer(z).code * weight).sum(), z)
    torch.testing.assert_close(to_z, weight)


def test_the_task_gradient_reaches_the_codes_of_the_synchronised_one_alone() -> None:
    z, weight = draw(2, 7, 3), draw(2, 7, 3, seed=4)
    plain, synchronised = StraightThroughQuantizer(5, 3), SynchronisedQuantizer(5, 3)
    synchronised.codes.data = plain.codes.data.clone()
    (to_plain,) = torch.autograd.grad((plain(z.requires_grad_()).code * weight).sum(), plain.codes, allow_unused=True)
    assert to_plain is None
    quantized = synchronised(z)
    (to_codes,) = torch.autograd.grad((quantized.code * weight).sum(), synchronised.codes)
    expected = torch.zeros(5, 3)
    for i in range(2):
        for n in range(7):
            expected[quantized.indices[i, n]] += weight[i, n]
    torch.testing.assert_close(to_codes, expected)


def test_entropy_loss_by_hand() -> None:
    distance = draw(4, 6, 5).square()
    scaled = -distance.reshape(-1, 5).double().numpy() / (0.1 * float(distance.mean()))
    p = np.exp(scaled) / np.exp(scaled).sum(-1, keepdims=True)
    sure = -np.mean([sum(v * math.log(v) for v in row if v > 0) for row in p])
    mean = p.mean(0)
    expected = (sure + sum(v * math.log(v) for v in mean)) / math.log(5)
    assert float(entropy_loss(distance)) == pytest.approx(expected, abs=1e-5)


def test_entropy_loss_is_least_when_choices_are_sure_and_codes_used_alike() -> None:
    sure = 1e3 * (1 - torch.eye(5))
    assert float(entropy_loss(sure)) == pytest.approx(-1.0, abs=1e-3)
    assert float(entropy_loss(torch.ones(5, 5))) == pytest.approx(0.0, abs=1e-6)


def test_the_start_finds_separate_clusters_and_is_repeatable(quantizer: StraightThroughQuantizer) -> None:
    centres = 10 * draw(5, 3, seed=5)
    points = (centres[:, None] + 0.01 * draw(5, 20, 3)).flatten(0, 1)
    quantizer.start(points, seed=0)
    first = quantizer.codes.detach().clone()
    gap = torch.cdist(centres, first)
    assert float(gap.min(-1).values.max()) < 0.05
    quantizer.start(points, seed=0)
    torch.testing.assert_close(quantizer.codes.detach(), first, rtol=0, atol=0)


def test_the_start_survives_fewer_distinct_points_than_codes(quantizer: StraightThroughQuantizer) -> None:
    quantizer.start(draw(2, 3).repeat(4, 1), seed=0)
    assert bool(quantizer.codes.isfinite().all())


def test_revival_moves_dead_codes_onto_encoder_outputs_and_no_others(quantizer: StraightThroughQuantizer) -> None:
    before, z = quantizer.codes.detach().clone(), draw(30, 3, seed=6)
    moved = quantizer.revive(torch.tensor([40, 0, 50, 1, 9]), z, 0.1, torch.Generator().manual_seed(0))
    assert moved == 2
    after = quantizer.codes.detach()
    torch.testing.assert_close(after[[0, 2, 4]], before[[0, 2, 4]])
    for code in (1, 3):
        assert float((z - after[code]).abs().sum(-1).min()) == 0.0
