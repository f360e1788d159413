"""What every quantizer owes to its interface, and the default one against brute force."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits
from torch import Tensor, nn

from model.codebook.quantizer import SynchronisedQuantizer, cluster_centres, entropy_loss

Make = Callable[..., nn.Module]
NEAREST = ["synchronised", "straight_through", "ema", "sim_vq"]
QUANTIZERS = [(name, rotation) for name in NEAREST for rotation in (False, True)] + [("fsq", False), ("product", False)]
CODES, DIM = 6, 3


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=QUANTIZERS, ids=lambda p: f"{p[0]}{'-rotated' if p[1] else ''}")
def quantizer(request: pytest.FixtureRequest, quantizer_of: Make) -> nn.Module:
    name, rotation = request.param
    return quantizer_of(name, CODES, DIM, rotation_trick=rotation, entropy=0.05)


@pytest.fixture(params=NEAREST)
def nearest(request: pytest.FixtureRequest, quantizer_of: Make) -> nn.Module:
    return quantizer_of(request.param, CODES, DIM)


@pytest.mark.parametrize("shape", [(5,), (2, 7), (2, 3, 4)])
def test_codes_are_rows_of_the_book_at_the_indices(quantizer: nn.Module, shape: tuple[int, ...]) -> None:
    z = draw(*shape, DIM)
    quantized = quantizer(z)
    assert quantizer.codes.shape == (CODES, DIM)
    assert quantized.indices.shape == shape
    assert quantized.indices.dtype == torch.int64
    assert quantized.loss.shape == ()
    torch.testing.assert_close(quantized.code, quantizer.codes[quantized.indices])


def test_a_permutation_of_the_tokens_permutes_the_codes(quantizer: nn.Module) -> None:
    z, order = draw(20, DIM), torch.randperm(20, generator=torch.Generator().manual_seed(1))
    straight, permuted = quantizer(z), quantizer(z[order])
    assert torch.equal(permuted.indices, straight.indices[order])
    torch.testing.assert_close(permuted.code, straight.code[order])
    torch.testing.assert_close(permuted.loss, straight.loss)


def test_the_forward_pass_draws_nothing_changes_nothing_and_knows_no_mode(quantizer: nn.Module) -> None:
    z, weight = draw(2, 7, DIM).requires_grad_(), draw(2, 7, DIM, seed=4)
    random, state = torch.get_rng_state(), {k: v.clone() for k, v in quantizer.state_dict().items()}
    found = []
    for mode in (True, False):
        quantized = quantizer.train(mode)(z)
        (to_z,) = torch.autograd.grad((quantized.code * weight).sum() + quantized.loss, z)
        found.append((quantized.code, quantized.indices, quantized.loss, to_z))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert bool(found[0][3].any())
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(state[name], value) for name, value in quantizer.state_dict().items())


def test_what_was_saved_is_loaded_exactly(quantizer: nn.Module, request: pytest.FixtureRequest, quantizer_of: Make):
    quantizer.init_codes(draw(40, DIM, seed=5), seed=0)
    quantizer.ema_update(draw(9, DIM), torch.arange(9) % CODES)
    name, rotation = request.node.callspec.params["quantizer"]
    other = quantizer_of(name, CODES, DIM, rotation_trick=rotation, entropy=0.05)
    other.load_state_dict(quantizer.state_dict())
    z = draw(30, DIM, seed=6)
    for step in range(2):
        first, second = quantizer(z), other(z)
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True)), step
        for one in (quantizer, other):
            one.ema_update(z, first.indices)


def test_the_start_is_repeatable_and_puts_every_code_where_data_is(quantizer: nn.Module) -> None:
    points = draw(300, DIM, seed=5) + 20
    quantizer.init_codes(points, seed=0)
    first = quantizer.codes.detach().clone()
    assert float(torch.cdist(first, points).min(-1).values.max()) < 2.0
    quantizer.ema_update(points, torch.zeros(300, dtype=torch.long))
    quantizer.init_codes(points, seed=0)
    assert torch.equal(quantizer.codes, first)


@pytest.mark.parametrize("points", [1, 2, 8])
def test_the_start_survives_fewer_distinct_points_than_codes(quantizer: nn.Module, points: int) -> None:
    quantizer.init_codes(draw(2, DIM).repeat(4, 1)[:points], seed=0)
    assert bool(quantizer.codes.isfinite().all())
    assert bool(quantizer(draw(4, DIM)).code.isfinite().all())


def test_revival_moves_dead_codes_onto_encoder_outputs_and_no_others(nearest: nn.Module) -> None:
    nearest.init_codes(draw(40, DIM, seed=5), seed=0)
    before, z = nearest.codes.detach().clone(), draw(30, DIM, seed=6)
    moved = nearest.replace_dead_codes(torch.tensor([40, 0, 50, 1, 9, 9]), z, 0.1, torch.Generator().manual_seed(0))
    assert moved.tolist() == [1, 3]
    after = nearest.codes.detach()
    torch.testing.assert_close(after[[0, 2, 4, 5]], before[[0, 2, 4, 5]])
    assert float(torch.cdist(after[[1, 3]], z).min(-1).values.max()) < 1e-3
    nobody = torch.full((CODES,), 5)
    state = (generator := torch.Generator().manual_seed(0)).get_state()
    assert nearest.replace_dead_codes(nobody, z, 0.1, generator).tolist() == []
    assert torch.equal(generator.get_state(), state)


def test_the_nearest_code_is_chosen(nearest: nn.Module) -> None:
    z, codes = draw(2, 7, DIM), nearest.codes.detach()
    quantized = nearest(z)
    for i in range(2):
        for n in range(7):
            distances = [float(((z[i, n] - code) ** 2).sum()) for code in codes]
            assert int(quantized.indices[i, n]) == int(np.argmin(distances))


def test_a_code_is_mapped_to_itself(nearest: nn.Module) -> None:
    quantized = nearest(nearest.codes.detach())
    assert quantized.indices.tolist() == list(range(CODES))
    assert float(quantized.loss.detach()) == pytest.approx(0.0, abs=1e-12)


def test_the_loss_is_codebook_plus_commitment(nearest: nn.Module, request: pytest.FixtureRequest) -> None:
    z = draw(2, 7, DIM).requires_grad_()
    quantized = nearest(z)
    error = (nearest.codes[quantized.indices] - z).detach()
    weight = 0.25 if request.node.callspec.params["nearest"] == "ema" else 1.25  # averages need no codebook loss
    assert float(quantized.loss.detach()) == pytest.approx(weight * float(error.square().mean()), rel=1e-5)
    (to_z,) = torch.autograd.grad(quantized.loss, z)
    torch.testing.assert_close(to_z, -2 * 0.25 * error / error.numel())


def test_the_task_gradient_reaches_the_encoder_as_it_is(nearest: nn.Module) -> None:
    z, weight = draw(2, 7, DIM).requires_grad_(), draw(2, 7, DIM, seed=4)
    (to_z,) = torch.autograd.grad((nearest(z).code * weight).sum(), z)
    torch.testing.assert_close(to_z, weight)


@pytest.mark.parametrize("rotation", [False, True])
def test_the_synchronised_codes_get_the_gradients_of_their_tokens(quantizer_of: Make, rotation: bool) -> None:
    z, weight = draw(2, 7, DIM).requires_grad_(), draw(2, 7, DIM, seed=4)
    quantizer = quantizer_of("synchronised", CODES, DIM, rotation_trick=rotation)
    assert isinstance(quantizer, SynchronisedQuantizer)
    quantized = quantizer(z)
    (to_codes,) = torch.autograd.grad((quantized.code * weight).sum(), quantizer.codes)
    expected = torch.zeros(CODES, DIM)
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


def test_separate_clusters_are_found() -> None:
    centres = 10 * draw(5, 3, seed=5)
    points = (centres[:, None] + 0.01 * draw(5, 20, 3)).flatten(0, 1)
    found = cluster_centres(points, 5, seed=0)
    assert found.dtype == points.dtype
    assert float(torch.cdist(centres, found).min(-1).values.max()) < 0.05


def test_centres_are_the_means_of_the_points_that_are_nearest() -> None:
    points = (10 * draw(4, 3, seed=5)[:, None] + draw(4, 30, 3)).flatten(0, 1)
    found = cluster_centres(points, 4, seed=1)
    nearest = torch.cdist(points, found).argmin(-1)
    expected = torch.stack([points[nearest == j].mean(0) for j in range(4)])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)


def test_the_same_bit_for_bit_however_many_threads_there_are_and_random_states_are_left_alone() -> None:
    points, random = draw(3000, 8), torch.get_rng_state()
    threads = [pool["num_threads"] for pool in threadpool_info()]
    first = cluster_centres(points, 32, seed=0)
    with threadpool_limits(limits=2):
        assert torch.equal(cluster_centres(points, 32, seed=0), first)
    assert not torch.equal(cluster_centres(points, 32, seed=1), first)
    assert torch.equal(torch.get_rng_state(), random)
    assert [pool["num_threads"] for pool in threadpool_info()][: len(threads)] == threads


def test_fewer_points_than_centres() -> None:
    found = cluster_centres(draw(3, 2), 7, seed=0)
    assert found.shape == (7, 2)
    torch.testing.assert_close(torch.cdist(found, draw(3, 2)).min(-1).values, torch.zeros(7), rtol=0, atol=1e-4)
