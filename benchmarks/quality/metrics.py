"""What is measured of all models: each is brought into one form, `Drawn`, and one function measures that form.

The metrics have the formulas of `model.evaluation.metrics` and the stitching of `model.network.shapes`. All models are
measured in evaluation mode and without masking.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.quality.kmeans import draw_pieces, held_windows
from model.evaluation import metrics
from model.evaluation.evaluate import CONTROL_SEED, collect
from model.network.batch import Batch
from model.network.shapes import extract_pieces, normalise_pieces, stitch, straight_lines
from model.training.run import ShapeActionRun

SHARED = (
    *("stitch_fvu", "line_fvu", "shape_skill", "shape_correlation", "code_necessity", "series_fvu", "scale_ratio"),
    *("covered_fraction", "window_samples", "window_samples_spread", "window_start_spread"),
    *("code_perplexity", "codes_used", "distinct_shapes"),
)
CHUNK = 256  # series at a time through the reference


class Drawn(NamedTuple):
    """What a model makes of a split; `S` series are its recordings' channels, `N` tokens each.

    A token draws `scale · shapes[codes] + offset` in its window.
    """

    x: Tensor  # (recordings, channels, T), what was to be rebuilt
    series: Tensor | None  # (S, T), from the series decoder; None where there is none
    start: Tensor  # (S, N), fraction of the series
    length: Tensor  # (S, N), fraction of the series
    offset: Tensor  # (S, N)
    scale: Tensor  # (S, N)
    codes: Tensor  # (S, N)
    shapes: Tensor  # (J, shape samples), every decoded code: mean 0, variance 1

    def pieces(self, codes: Tensor) -> Tensor:
        """Return what is drawn in the windows, `(S, N, shape samples)`, if the tokens had chosen `codes (S, N)`."""
        return self.scale[..., None] * self.shapes[codes] + self.offset[..., None]

    def stitched(self, codes: Tensor) -> Tensor:
        """Return the series `(S, T)` that those shapes alone give."""
        return stitch(self.pieces(codes), self.start, self.length, self.x.shape[-1]).series

    @property
    def counts(self) -> Tensor:
        """How many tokens chose each code, `(J,)`."""
        return torch.bincount(self.codes.flatten(), minlength=len(self.shapes))


@torch.no_grad()
def drawn_by_ours(run: ShapeActionRun, split: Batch) -> Drawn:
    """Return what our model draws after a finished run."""
    seen, shapes = collect(run.model, split), run.model.shapes(run.model.quantizer.codes)
    codes = seen.indices.view_as(seen.start)
    return Drawn(split.x, seen.series, seen.start, seen.length, seen.offset, seen.scale, codes, shapes)


@torch.no_grad()
def drawn_by_reference(model: nn.Module, x: Tensor) -> Drawn:
    """Return what the reference's model draws of `x (recordings, channels, T)`.

    Its windows are taken as it cuts its pieces: [t, min(t + l, 1)]. Offset and scale of a token are read off what it
    draws, in the units of the series, so that nothing of its inner normalisation has to be repeated here.
    """
    was_training = model.training
    model.eval()
    outputs = [model(part, mode="evaluate")[0] for part in x.flatten(0, 1).split(CHUNK)]
    decoded = model.shape_decoder(model.codebook.embedding.weight[None])[0][0]
    model.train(was_training)
    names = ("x_pred", "t_pred", "l_pred", "s_pred", "code_idx")
    series, start, length, pieces, codes = (torch.cat([output[name] for output in outputs]) for name in names)
    start, length, drawn = start[..., 0], length[..., 0], normalise_pieces(pieces)
    shapes = normalise_pieces(decoded).shape
    return Drawn(x, series, start, torch.minimum(length, 1 - start), drawn.offset, drawn.scale, codes, shapes)


@torch.no_grad()
def drawn_by_shapes(shapes: Tensor, x: Tensor, tokens: int) -> Drawn:
    """Return what `shapes (J, samples)` alone draw of `x (recordings, channels, T)`, in N held windows."""
    own = draw_pieces(x, shapes, tokens)
    return Drawn(x, None, *held_windows(len(own.codes), tokens), own.offset, own.scale, own.codes, shapes)


@torch.no_grad()
def measure(drawn: Drawn, native_samples: int | None = None) -> dict[str, float]:
    """Return the metrics of `SHARED`, as `docs/metrics.md` explains them; no `series_fvu` without a series decoder.

    Windows are in samples of recordings of `native_samples`; None is those of `drawn.x`.
    """
    x, samples = drawn.x, drawn.x.shape[-1]
    native = native_samples or samples
    target = extract_pieces(x.flatten(0, 1), drawn.start, drawn.length, drawn.shapes.shape[-1])
    pieces = drawn.pieces(drawn.codes)
    stitched = stitch(pieces, drawn.start, drawn.length, samples)
    error = metrics.fvu(x, stitched.series.view_as(x))
    lines = stitch(straight_lines(target), drawn.start, drawn.length, samples).series
    # The same codes in an order drawn as `model.evaluation.evaluate` draws it for its own control.
    flat, generator = drawn.codes.flatten(), torch.Generator().manual_seed(CONTROL_SEED)
    shuffled = flat[torch.randperm(len(flat), generator=generator)].view_as(drawn.codes)
    values = (
        error,
        metrics.fvu(x, lines.view_as(x)),
        metrics.shape_skill(pieces, target, drawn.length),
        metrics.shape_correlation(drawn.shapes[drawn.codes], target, drawn.length),
        metrics.fvu(x, drawn.stitched(shuffled).view_as(x)) - error,
        None if drawn.series is None else metrics.fvu(x, drawn.series.view_as(x)),
        drawn.scale.mean() / normalise_pieces(target).scale.mean().clamp_min(1e-12),
        stitched.covered.float().mean(),
        (drawn.length * native).median(),
        (drawn.length * native).std(0).mean(),
        (drawn.start * native).std(0).mean(),
        metrics.perplexity(drawn.counts),
        (drawn.counts > 0).sum(),
        metrics.distinct_shapes(drawn.shapes),
    )
    return {name: float(value) for name, value in zip(SHARED, values, strict=True) if value is not None}
