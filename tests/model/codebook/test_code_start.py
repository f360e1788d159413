from __future__ import annotations

import torch
from threadpoolctl import threadpool_info, threadpool_limits

from model.codebook.quantizer import cluster_centres


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


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
