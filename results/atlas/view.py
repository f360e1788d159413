"""Settle the order, the colours, the letters and the scales that every picture of an atlas shares."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from results.atlas.palette import colour, letter

if TYPE_CHECKING:
    from model.pretrained.atlas import CodeAtlas, Example

SHOWN = 3  # sub-actions of a code
SHAPES_DRAWN_AS_LINES = 12  # channels of a code; more are drawn as a heat map


@dataclass(frozen=True, eq=False)
class AtlasView:
    """An atlas with what its pictures agree on; `origin` is a line that says where the configuration comes from."""

    atlas: CodeAtlas
    title: str
    origin: str

    @cached_property
    def by_use(self) -> list[int]:
        """Sub-actions in the order of how much the tokens of the training split speak of them."""
        mass = self.atlas.meaning.share @ self.atlas.meaning.distribution
        return [int(k) for k in np.argsort(-mass, kind="stable")]

    @cached_property
    def colours(self) -> list[str]:
        """Colour of each sub-action."""
        return [colour(int(rank)) for rank in np.argsort(self.by_use)]

    @cached_property
    def letters(self) -> list[str]:
        """Letter of each sub-action, in the order of use; it stands wherever the colour does."""
        return [letter(int(rank)) for rank in np.argsort(self.by_use)]

    @cached_property
    def first(self) -> np.ndarray:
        """`(J,)`, the likeliest sub-action of each code."""
        return self.atlas.meaning.distribution.argmax(1)

    @cached_property
    def groups(self) -> list[tuple[int, list[int]]]:
        """Codes in use by their likeliest sub-action, the most used sub-action and code first."""
        tokens = self.atlas.meaning.tokens
        used = [int(j) for j in np.argsort(-tokens, kind="stable") if tokens[j]]
        found = [(k, [j for j in used if self.first[j] == k]) for k in range(len(self.colours))]
        return sorted(((k, codes) for k, codes in found if codes), key=lambda group: -tokens[group[1]].sum())

    @cached_property
    def used(self) -> list[int]:
        """Codes that a token of the training split chose, in the order of `groups`."""
        return [j for _, codes in self.groups for j in codes]

    @cached_property
    def unused(self) -> list[int]:
        """The other codes."""
        return [int(j) for j in np.flatnonzero(self.atlas.meaning.tokens == 0)]

    @cached_property
    def rows(self) -> list[int]:
        """Sub-actions as the rows of the matrix: those of `groups` first, in its order, then the others by use."""
        named = [k for k, _ in self.groups]
        return named + [k for k in self.by_use if k not in named]

    @cached_property
    def reach(self) -> float:
        """Largest absolute value of a shape in use; all shapes are drawn to this scale."""
        return max(1.0, float(np.abs(self.atlas.meaning.shapes[self.used]).max()))

    @property
    def lanes(self) -> int:
        """Channels of a code."""
        return self.atlas.meaning.shapes.shape[1]

    @property
    def fused(self) -> bool:
        """Whether one row of tokens describes all channels."""
        return self.lanes > 1

    @property
    def drawn_as_heat_maps(self) -> bool:
        """Whether shapes have too many channels to be drawn as lines."""
        return self.lanes > SHAPES_DRAWN_AS_LINES

    def likeliest(self, code: int) -> list[int]:
        """Return the likeliest sub-actions of a code."""
        return [int(k) for k in np.argsort(-self.atlas.meaning.distribution[code], kind="stable")[:SHOWN]]

    @property
    def alternatives(self) -> bool:
        """Whether a name stands for several sub-actions."""
        return len(self.colours) < self.atlas.configuration.num_sub_actions

    @property
    def extent(self) -> float:
        """A whole series in `unit`."""
        return (self.atlas.native_samples - 1) / (self.atlas.rate_hz or 1.0)

    @property
    def unit(self) -> str:
        """Of time: seconds where the sampling rate is known, samples of the recording where it is not."""
        return "samples" if self.atlas.rate_hz is None else "s"

    @property
    def time_label(self) -> str:
        """What a time axis shows."""
        return "time (samples as recorded)" if self.atlas.rate_hz is None else "time (s)"


def carried(example: Example) -> list[tuple[int, int]]:
    """Return the likeliest sub-actions of a recording's windows and how many windows each has, the most first."""
    return Counter(example.q.argmax(-1).ravel().tolist()).most_common()


def lanes_of(start: np.ndarray, length: np.ndarray) -> list[int]:
    """Return a lane for each window, so that no two windows of one lane overlap; as few lanes as possible.

    Starts, (N,), and lengths, (N,), are in the same unit.
    """
    ends: list[float] = []
    lanes = [0] * len(start)
    for n in np.argsort(start, kind="stable"):
        free = next((lane for lane, end in enumerate(ends) if end <= start[n] + 1e-9), len(ends))
        if free == len(ends):
            ends.append(0.0)
        ends[free] = float(start[n] + length[n])
        lanes[int(n)] = free
    return lanes


def over_time(example: Example, bins: int) -> np.ndarray:
    """Return the sub-actions over time, `(bins, K)`: the mean over all tokens whose window covers the middle of a bin.

    Bins are equal parts of the recording; where no window lies, there are zeros.
    """
    middle = (np.arange(bins) + 0.5) / bins
    start, end = example.start.reshape(-1, 1), (example.start + example.length).reshape(-1, 1)
    covers = ((start <= middle) & (middle <= end)).astype(np.float64)
    total = covers.T @ example.q.reshape(-1, example.q.shape[-1])
    return total / np.maximum(covers.sum(0), 1.0)[:, None]


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most `most` round numbers from `low` to `high`, multiples of 1, 2 or 5 times a power of ten."""
    from matplotlib.ticker import MaxNLocator

    values = MaxNLocator(most - 1, steps=[1, 2, 5, 10]).tick_values(low, high)
    slack = 1e-9 * (high - low)
    return [float(value) for value in values if low - slack <= value <= high + slack]
