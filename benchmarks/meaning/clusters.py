"""No network: k-means of pieces in held windows (shape, scale, offset), named from the classes in which each occurs.

A cluster's name is found by expectation maximisation for the mixture in which a recording of class y shows each of its
own sub-actions alike often, and each sub-action its clusters with probabilities of its own.
"""

from __future__ import annotations

import numpy as np

from benchmarks.meaning.naming import Tokens

RESTARTS, ITERATIONS = 20, 300


def name_clusters(counts: np.ndarray, owned: np.ndarray, seed: int) -> np.ndarray:
    """Return P(sub-action | cluster), (J, K), of the likeliest of some restarts.

    `counts` (classes, J) says how often each cluster occurs in the recordings of each class, `owned` (classes, K) of
    bool which sub-actions a class has.
    """
    rng, best, found = np.random.default_rng(seed), -np.inf, np.empty(0)
    prior = owned / owned.sum(1, keepdims=True)
    for _ in range(RESTARTS):
        shown = rng.dirichlet(np.ones(counts.shape[1]), owned.shape[1])  # (K, J)
        for _ in range(ITERATIONS):
            joint = prior[:, :, None] * shown[None]  # (classes, K, J)
            total = joint.sum(1, keepdims=True).clip(1e-300)
            weighed = (counts[:, None] * joint / total).sum(0)  # (K, J)
            shown = (weighed + 1e-9) / (weighed + 1e-9).sum(1, keepdims=True)
        likelihood = float((counts * np.log(total[:, 0])).sum())
        if likelihood > best:
            best, found = likelihood, weighed
    return (found / found.sum(0).clip(1e-300)).T


def named_tokens(
    train: tuple[np.ndarray, np.ndarray],
    test: np.ndarray,
    windows: tuple[np.ndarray, ...],
    owned: np.ndarray,
    seed: int,
    codes: int,
) -> Tokens:
    """Return the test recordings' clusters as tokens.

    Args:
        train: Clusters (recordings, tokens) of the training part, and its classes.
        test: Clusters (recordings, tokens).
        windows: Start and length of each token, (tokens,).
        owned: bool, (classes, K).
        seed: Of the names' restarts.
        codes: J.
    """
    code, y = train
    counts = np.zeros((len(owned), codes))
    np.add.at(counts, (np.repeat(y, code.shape[1]), code.ravel()), 1.0)
    start, length = (np.broadcast_to(part, test.shape) for part in windows)
    return Tokens(test, start, length, name_clusters(counts, owned, seed))
