"""Where codes start: the centres of the clusters that the encoder's outputs form."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


@torch.no_grad()
def cluster_centres(z: Tensor, codes: int, seed: int) -> Tensor:
    """Centres of k-means: k-means++ and at most 25 of Lloyd's iterations, the same bit for bit for a seed.

    Args:
        z: `(points, code_dim)`; fewer points than codes, or fewer distinct ones, still give one centre per code.
        codes: Centres to find (J).
        seed: Seed of the start.

    Returns:
        `(codes, code_dim)`, with the type and device of `z`.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    points = z.detach().double().cpu().numpy()
    points = np.tile(points, (-(-codes // len(points)), 1))
    # A trace of noise: fewer distinct points than codes would leave k-means++ without a choice.
    rng = np.random.default_rng(seed)
    points = points + rng.normal(scale=1e-6 * points.std() + 1e-9, size=points.shape)
    # One thread: sums split over threads differ in the last digit, and then so do the clusters.
    with threadpool_limits(limits=1):
        found = KMeans(codes, n_init=1, max_iter=25, random_state=seed).fit(points)
    return torch.from_numpy(found.cluster_centers_).to(z)
