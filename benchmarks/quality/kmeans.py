"""Shapes without a network: k-means of the pieces in held windows, and straight lines; what a model has to beat.

A held window is one at its anchor: the n-th of N starts at n (1 − l) / (N − 1) and has the length l = 2 / N.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from sklearn.cluster import KMeans
from torch import Tensor

from benchmarks.command_line import BenchmarkError
from model.network.attributes import anchor_shares
from model.network.shapes import extract_pieces, fit_offset_scale, normalise_pieces, shape_errors

SAMPLES = 64  # of a piece and of a shape, as the default of `architecture.shape_samples`
STARTS = 3  # of k-means, of which the best counts


class DrawnPieces(NamedTuple):
    """What draws each piece: `scale · shapes[codes] + offset`. Series b · C + c is channel c of recording b."""

    shapes: Tensor  # (J, samples), mean 0, variance 1
    codes: Tensor  # (B · C, N), the shape that comes closest
    offset: Tensor  # (B · C, N), the mean of the piece
    scale: Tensor  # (B · C, N), not negative


def held_windows(series: int, tokens: int) -> tuple[Tensor, Tensor]:
    """Start and length of the held windows of so many series, each `(series, tokens)`, fractions of the series."""
    length = min(1.0, 2 / tokens)
    start = anchor_shares(tokens) * (1 - length)
    return start.expand(series, -1), torch.full((series, tokens), length)


def line_shapes(samples: int = SAMPLES) -> Tensor:
    """The rising and the falling line, `(2, samples)`: what draws every straight line."""
    rising = normalise_pieces(torch.linspace(-1, 1, samples)).shape
    return torch.stack([rising, -rising])


def draw_pieces(x: Tensor, shapes: Tensor, tokens: int) -> DrawnPieces:
    """Draw the pieces of `x (B, C, T)` in N held windows, each by the one of `shapes (J, samples)` that fits best."""
    pieces = held_pieces(x, tokens, shapes.shape[-1])
    codes = shape_errors(shapes, pieces, 1).argmin(-1)
    return DrawnPieces(shapes, codes, *fit_offset_scale(shapes[codes], pieces))


def kmeans_of_pieces(x: Tensor, tokens: int, codes: int, seed: int, samples: int = SAMPLES) -> DrawnPieces:
    """Cluster the normalised pieces of `x (B, C, T)` in N held windows into J shapes, and draw them with these.

    Raises:
        BenchmarkError: There are fewer pieces than shapes.
    """
    pieces = normalise_pieces(held_pieces(x, tokens, samples)).shape.flatten(0, 1)
    if len(pieces) < codes:
        raise BenchmarkError(f"k-means: {len(pieces)} pieces are too few for {codes} shapes; ask for fewer codes")
    centres = KMeans(codes, n_init=STARTS, random_state=seed).fit(pieces.cpu().numpy()).cluster_centers_
    return draw_pieces(x, normalise_pieces(torch.from_numpy(centres).to(x)).shape, tokens)


def held_pieces(x: Tensor, tokens: int, samples: int = SAMPLES) -> Tensor:
    """What lies in N held windows of each channel of `x (B, C, T)`: `(B · C, N, samples)`."""
    series = x.flatten(0, 1)
    start, length = (each.to(x) for each in held_windows(len(series), tokens))
    return extract_pieces(series, start, length, samples)
