"""Shapes: cut from the series, decoded from codes, and stitched back into a series.

Owns the window extraction (a piece of the series, resampled), the shape decoder (code to a normalised shape), the
stitching of all decoded shapes into one series, and the two shape losses. Samples of a series lie at τ / (T − 1), so
that a window [0, 1] is the whole series.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

_TINY = 1e-5
_SMALLEST_ERROR = 1e-12


def extract_pieces(x: Tensor, start: Tensor, length: Tensor, samples: int) -> Tensor:
    """Cuts the piece in each window and resamples it linearly: `(series, tokens, samples)`.

    Differentiable in `x (series, T)` and in `start` and `length`, `(series, tokens)`, fractions of the series.
    """
    grid = torch.linspace(0, 1, samples, device=x.device, dtype=x.dtype)
    position = (start[..., None] + length[..., None] * grid) * (x.shape[-1] - 1)
    return _sample_at(x[:, None].expand(-1, start.shape[1], -1), position)


def _sample_at(values: Tensor, position: Tensor) -> Tensor:
    """Linear interpolation of `values (..., n)` at `position (..., m)` in samples, held constant beyond the ends."""
    position = position.clamp(0, values.shape[-1] - 1)
    # After the conversion, in which a NaN of a training run that diverged becomes any integer; the value stays NaN.
    left = position.detach().floor().long().clamp_(0, values.shape[-1] - 2)
    share = position - left
    return torch.lerp(values.gather(-1, left), values.gather(-1, left + 1), share)


class Normalised(NamedTuple):
    """A piece as shape, offset and scale: `piece = scale · shape + offset`."""

    shape: Tensor  # (..., samples), mean 0 and variance 1 (0 where the piece is constant)
    offset: Tensor  # (...,)
    scale: Tensor  # (...,)


def normalise_pieces(pieces: Tensor) -> Normalised:
    """Splits `pieces (..., samples)` into shape, offset and scale."""
    offset = pieces.mean(-1)
    centred = pieces - offset[..., None]
    scale = (centred.square().mean(-1) + _TINY**2).sqrt()
    return Normalised(centred / scale[..., None], offset, scale)


def fit_offset_scale(shapes: Tensor, pieces: Tensor) -> tuple[Tensor, Tensor]:
    """The μ and σ ≥ 0 with which `σ · shape + μ` comes closest to each piece, by least squares.

    μ is the piece's mean, σ = max(0, ⟨ŝ, s − μ⟩ / ⟨ŝ, ŝ⟩). Differentiable in `shapes (..., samples)`, of mean 0, and in
    `pieces (..., samples)`.
    """
    offset = pieces.mean(-1)
    along = (shapes * (pieces - offset[..., None])).mean(-1)
    return offset, functional.relu(along) / shapes.square().mean(-1).clamp_min(_TINY)


@torch.no_grad()
def shape_errors(table: Tensor, pieces: Tensor, channels: int) -> Tensor:
    """What each code would leave unexplained of each token's piece, at its best offset and scale.

    Args:
        table: `(J, channels · samples)`, the decoded shapes of the book.
        pieces: `(series, tokens, samples)`.
        channels: Channels that a token describes; their errors are averaged.

    Returns:
        `(rows, tokens, J)`, mean squared errors.
    """
    centred = pieces - pieces.mean(-1, keepdim=True)
    shapes = table.unflatten(-1, (channels, -1)).transpose(0, 1)  # (channels, J, samples)
    shapes = shapes / shapes.square().mean(-1, keepdim=True).clamp_min(_TINY).sqrt()
    of_row = centred.unflatten(0, (-1, channels))  # (rows, channels, tokens, samples)
    along = functional.relu(of_row @ shapes.transpose(-1, -2)) / centred.shape[-1]
    return (of_row.square().mean(-1, keepdim=True) - along.square()).mean(1)


class ShapeDecoder(nn.Module):
    """Code to a normalised shape per channel: mean 0, variance 1, so that offset and scale are the token's alone."""

    def __init__(self, code_dim: int, samples: int, hidden: int, channels: int = 1, reads: int | None = None):
        """Of a code its first `reads` numbers are read, or all."""
        super().__init__()
        self.samples, self.channels, self.reads = samples, channels, reads or code_dim
        self.layers = nn.Sequential(
            nn.Linear(self.reads, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, channels * samples),
        )

    def forward(self, code: Tensor) -> Tensor:
        """Shapes `(..., channels · samples)`, one channel after the other, of `code (..., code_dim)`."""
        drawn = self.layers(code[..., : self.reads]).unflatten(-1, (self.channels, self.samples))
        return functional.layer_norm(drawn, (self.samples,)).flatten(-2)


class Stitched(NamedTuple):
    """A series rebuilt from its shapes alone."""

    series: Tensor  # (series, T); 0, the mean of a normalised channel, where nothing covers a sample
    covered: Tensor  # (series, T) of bool


def stitch(shapes: Tensor, start: Tensor, length: Tensor, samples: int, longest: float = 1.0) -> Stitched:
    """Places every shape at its window in a series of so many samples and averages where windows overlap.

    Args:
        shapes: `(series, tokens, shape samples)`, with offset and scale applied.
        start: `(series, tokens)`, fraction of the series.
        length: `(series, tokens)`, fraction of the series.
        samples: Samples of the series (T).
        longest: Upper bound of `length`, known before the call; what lies beyond it is not looked at.

    Returns:
        Differentiable in `shapes`, `start` and `length`.
    """
    last = samples - 1
    span = min(samples, int(longest * last) + 2)
    first = (start.detach() * last).ceil().long()
    index = first[..., None] + torch.arange(span, device=shapes.device)
    # Position inside the window: 0 at its start, 1 at its end.
    inside = (index.to(start.dtype) / last - start[..., None]) / length[..., None]
    covered = (inside >= 0) & (inside <= 1 + 1e-6) & (index <= last)
    value = _sample_at(shapes, inside * (shapes.shape[-1] - 1)) * covered
    index = index.clamp(0, last).flatten(1)
    total = shapes.new_zeros(shapes.shape[0], samples).scatter_add(1, index, value.flatten(1))
    count = shapes.new_zeros(shapes.shape[0], samples).scatter_add(1, index, covered.flatten(1).to(value.dtype))
    return Stitched(total / count.clamp_min(1.0), count > 0)


def shape_loss(decoded: Tensor, pieces: Tensor) -> Tensor:
    """L_s as in VQShape: mean squared error of `σ · shape(z) + μ` and the piece, both `(series, tokens, samples)`."""
    return (decoded - pieces).square().mean()


def normalised_shape_loss(shapes: Tensor, target: Normalised, length: Tensor) -> Tensor:
    """Squared error of normalised shapes against normalised pieces, weighted by l · σ_s of the piece; mean over tokens.

    Its gradient does not vanish with the predicted scale, unlike that of `shape_loss`: while shape and piece are
    uncorrelated the best scale is 0, and a decoder that is trained through σ · shape stops learning there. Equal to 2
    (1 − ρ) for one piece. No gradient flows into the target or into `length (series, tokens)`, a fraction of the series
    that is a weight; `shapes` are `(series, tokens, samples)`.
    """
    weight = (length * target.scale).detach()
    error = (shapes - target.shape.detach()).square().mean(-1)
    return (weight * error).sum() / weight.sum().clamp_min(_TINY)


def straight_lines(pieces: Tensor) -> Tensor:
    """The best straight line through each of `pieces (..., samples)`, in the same shape."""
    mean = pieces.mean(-1, keepdim=True)
    u = _line(pieces)
    return mean + ((pieces - mean) @ u)[..., None] * u


def line_errors(pieces: Tensor) -> Tensor:
    """Squared error, Σ over samples, of the best straight line through each of `pieces (..., samples)`: `(...,)`."""
    centred = pieces - pieces.mean(-1, keepdim=True)
    return (centred.square().sum(-1) - (centred @ _line(pieces)).square()).clamp_min(0.0)


def _line(pieces: Tensor) -> Tensor:
    """The rising line of norm 1 and mean 0 over the samples of pieces."""
    u = torch.linspace(-1, 1, pieces.shape[-1], dtype=pieces.dtype, device=pieces.device)
    return u / u.norm()


def unexplained_by_shapes(decoded: Tensor, pieces: Tensor, length: Tensor) -> Tensor:
    """Σ l·SSE(ŝ, s) / Σ l·SSE(best straight line, s), differentiable.

    As a loss it moves windows to where there is a shape to be drawn. An absolute error moves them to where there is
    none: it is least in the shortest windows, in which every piece is nearly a line. Decoded shapes, with offset and
    scale applied, and pieces are `(series, tokens, samples)`, `length (series, tokens)` a fraction of the series.
    """
    error = (length * (decoded - pieces).square().sum(-1)).sum()
    return error / (length * line_errors(pieces)).sum().clamp_min(_SMALLEST_ERROR)
