"""How much is named right: plain functions of arrays, so that a test can state their values."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

PERMUTATIONS = 100


class Tokens(NamedTuple):
    """Tokens of recordings, all of a recording in one row."""

    code: np.ndarray  # int, (recordings, tokens)
    start: np.ndarray  # (recordings, tokens), fraction of the recording
    length: np.ndarray  # (recordings, tokens), fraction of the recording
    q: np.ndarray  # (J, primitives), what each code says


def spans(start: np.ndarray, length: np.ndarray, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first sample of each window and the one after its last."""
    first = np.ceil(start * (samples - 1) - 1e-6).astype(int).clip(0, samples - 1)
    last = np.floor((start + length) * (samples - 1) + 1e-6).astype(int).clip(0, samples - 1)
    return first, np.maximum(last, first) + 1


def token_truth(truth: np.ndarray, start: np.ndarray, length: np.ndarray, primitives: int) -> np.ndarray:
    """Return the primitive with most samples in each window, (recordings, tokens), the first of equals.

    `truth` is (recordings, samples), windows are (recordings, tokens), as fractions.
    """
    is_one = truth[:, None, :] == np.arange(primitives)[:, None]
    sums = np.concatenate([np.zeros((*is_one.shape[:2], 1), dtype=int), is_one.cumsum(-1)], axis=-1)
    first, end = spans(start, length, truth.shape[1])
    rows = np.arange(len(truth))[:, None, None]
    kinds = np.arange(primitives)[None, :, None]
    return (sums[rows, kinds, end[:, None]] - sums[rows, kinds, first[:, None]]).argmax(1)


def figures(tokens: Tokens, truth: np.ndarray, y: np.ndarray, owned: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Return the shares that are named right, beside chance and the same with the names permuted.

    Args:
        tokens: What codes say where.
        truth: (recordings, samples), primitives, -1 in gaps.
        y: (recordings,), classes.
        owned: bool, (classes, primitives).
        seed: Of the permutations.

    Returns:
        `codes` (a code's truth is the commonest of its tokens), `tokens`, `steps` (the mean of what all tokens over a
        sample say, gaps left out); `chance`, any name of the true class; `permuted` and `permuted_best`, tokens with
        the names permuted, the mean and the best of `PERMUTATIONS`; `codes_used` and `codes_right`, counts.
    """
    primitives = owned.shape[1]
    true = token_truth(truth, tokens.start, tokens.length, primitives)
    counts = np.zeros((len(tokens.q), primitives), dtype=int)
    np.add.at(counts, (tokens.code.ravel(), true.ravel()), 1)
    used, name = counts.sum(1) > 0, tokens.q.argmax(1)
    right = (counts.argmax(1) == name) & used
    rng, by_name = np.random.default_rng(seed), np.zeros((primitives, primitives), dtype=int)
    np.add.at(by_name, name, counts)
    permuted = [
        by_name[np.arange(primitives), rng.permutation(primitives)].sum() / true.size for _ in range(PERMUTATIONS)
    ]
    return {
        "codes": float(right.sum() / used.sum()),
        "codes_right": float(right.sum()),
        "codes_used": float(used.sum()),
        "tokens": float((name[tokens.code] == true).mean()),
        "steps": _steps(tokens, truth),
        "chance": float((1 / owned[y].sum(1)).mean()),
        "permuted": float(np.mean(permuted)),
        "permuted_best": float(np.max(permuted)),
    }


def _steps(tokens: Tokens, truth: np.ndarray) -> float:
    recordings, samples = truth.shape
    first, end = spans(tokens.start, tokens.length, samples)
    # What a window says is added at its first sample and taken away after its last.
    said = np.zeros((recordings, samples + 1, tokens.q.shape[1]))
    rows = np.repeat(np.arange(recordings), first.shape[1])
    q = tokens.q[tokens.code.ravel()]
    np.add.at(said, (rows, first.ravel()), q)
    np.add.at(said, (rows, end.ravel()), -q)
    name, shown = said.cumsum(1)[:, :samples].argmax(-1), truth >= 0
    return float((name[shown] == truth[shown]).mean())
