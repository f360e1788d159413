"""What an atlas of a codebook shows, as plain arrays: the meaning of the codes, and recordings as codes.

Owns the choice of the example recordings and what the model says of each: its windows, codes and sub-actions over
time, and the series that the shapes alone give. Everything is asked of the signal alone, as at inference; the true
class stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from model.configuration.reading import Configuration
from model.evaluation.meaning import CodeMeaning, load_code_meaning
from model.evaluation.metrics import fvu
from model.network.batch import Batch, as_batch, by_recording
from model.network.building import longest_window
from model.network.shapes import stitch
from model.pretrained.exported import ExportedFiles, ExportedModel, load_exported
from model.sub_actions.alternatives import Alternatives

CANDIDATES = 64  # recordings of a class among which its examples are chosen
AT_ONCE = 16  # recordings that the model sees at a time


class Example(NamedTuple):
    """One recording as the model sees it: `C` channels of `T` samples, `N` tokens in each of `R` rows."""

    number: int  # place in the validation split, from 0
    y: int  # its class
    nearest: int  # the class whose text lies nearest to its tokens
    stitch_fvu: float  # of this recording
    x: np.ndarray  # (C, T), mean 0 and deviation 1 per channel
    stitched: np.ndarray  # (C, T), rebuilt from shapes alone; NaN where no window lies
    start: np.ndarray  # (R, N), fraction of the series
    length: np.ndarray  # (R, N), fraction of the series
    codes: np.ndarray  # (R, N)
    q: np.ndarray  # (R, N, S), predicted distribution over the alternatives


@dataclass(frozen=True, eq=False)
class CodeAtlas:
    """Everything that is drawn; `J` codes, `K` sub-actions in `S` sets of alternatives.

    Sub-actions that exactly the same classes own are one here, named "a | b", the most used one of the training split
    first; their probabilities are added up.
    """

    meaning: CodeMeaning  # shapes, alternatives, use and sureness of every code; from the training split
    configuration: Configuration  # what was trained
    channels: tuple[str, ...]  # names, (C,); a row of tokens is a channel, or all where the shapes have several
    owned: np.ndarray  # bool, (classes, S), the alternatives of each class
    examples: tuple[Example, ...]  # of the validation split, class by class
    validation: int  # recordings of that split
    dataset: str  # its name
    native_samples: int  # samples of a recording before it was resampled
    rate_hz: float | None  # samples per second before that; None where nobody knows


def make_atlas(files: ExportedFiles, per_class: int) -> CodeAtlas:
    """Loads an exported configuration and looks at its codes and so many example recordings, or none, of each class.

    Raises:
        ValueError: One line that names what is missing, damaged or does not fit; see `model.pretrained.exported`.
    """
    exported = load_exported(files)
    meaning, owned = load_code_meaning(files.checkpoint), exported.model.teacher.text.owned.numpy()
    alternatives, data = Alternatives.of(meaning.sub_actions, owned), exported.dataset
    first = alternatives.leaders(meaning.share @ meaning.distribution)
    return CodeAtlas(
        meaning=replace(
            meaning,
            distribution=alternatives.joined(meaning.distribution),
            accumulated=alternatives.joined(meaning.accumulated),
            sub_actions=tuple(alternatives.names[k] for k in first),
        ),
        configuration=exported.configuration,
        channels=data.channel_names,
        owned=owned[:, first],
        examples=_examples(exported, alternatives, per_class),
        validation=len(data.validation.y),
        dataset=data.name,
        native_samples=data.native_length,
        rate_hz=data.rate_hz,
    )


def _examples(exported: ExportedModel, alternatives: Alternatives, per_class: int) -> tuple[Example, ...]:
    """Takes, of each class, recordings at even ranks of their `stitch_fvu`: the median one, or the quartiles, ..."""
    split = as_batch(exported.dataset.validation, "cpu")
    chosen = []
    for y in range(len(exported.dataset.class_names)):
        members = np.flatnonzero(exported.dataset.validation.y == y)
        candidates = members[_evenly(len(members), CANDIDATES)].tolist()
        chunks = [candidates[first : first + AT_ONCE] for first in range(0, len(candidates), AT_ONCE)]
        seen = [example for chunk in chunks for example in _look(exported, alternatives, split, chunk)]
        ranked = sorted(seen, key=lambda e: (np.nan_to_num(e.stitch_fvu, nan=np.inf), e.number))
        chosen += [ranked[rank] for rank in _evenly(len(ranked), per_class)]
    return tuple(chosen)


def _evenly(of: int, count: int) -> list[int]:
    """At most `count` places in a row `of` them, each in the middle of an equal part."""
    count = min(of, count)
    return [int((2 * i + 1) * of / (2 * count)) for i in range(count)]


@torch.no_grad()
def _look(exported: ExportedModel, alternatives: Alternatives, split: Batch, numbers: Sequence[int]) -> list[Example]:
    """What the model says of those recordings of a split that have these numbers."""
    x, y, level, _ = split.take(torch.tensor(numbers))
    model, recordings = exported.model, len(x)
    out = model(x.flatten(0, 1), level=level)
    start, length = out.attributes.start, out.attributes.length
    rebuilt = stitch(out.decoded, start, length, x.shape[-1], longest_window(exported.configuration))
    stitched, covered = (part.unflatten(0, (recordings, -1)) for part in rebuilt)
    drawn = stitched.masked_fill(~covered, float("nan"))
    nearest = model.teacher.similarities(by_recording(out.tokens, recordings)).argmax(-1)
    # All channels of a token share its window: one of them stands for the row.
    windows = [part[:: model.channels_per_token].unflatten(0, (recordings, -1)) for part in (start, length)]
    codes, q = (part.unflatten(0, (recordings, -1)) for part in (out.quantized.indices, out.log_q.exp()))
    of_each = *(part.numpy() for part in (x, drawn, *windows, codes)), alternatives.joined(q.numpy())
    return [
        Example(number, int(y[i]), int(nearest[i]), float(fvu(x[i : i + 1], stitched[i : i + 1])), *parts)
        for i, (number, parts) in enumerate(zip(numbers, zip(*of_each, strict=True), strict=True))
    ]
