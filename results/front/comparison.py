"""Compare two groups of runs by the hypervolumes of their fronts.

The test is Mann and Whitney's, two-sided: by the exact distribution of U where no two runs have the same hypervolume;
else by exchanging runs between the groups, in every possible way if there are no more than 100,000, else in as many
random ones. The effect is Vargha and Delaney's A: the probability that a run drawn from the first group has the larger
hypervolume than one from the second, ties counting half; 0.5 is no difference. It needs no particular distribution, and
neither does the test. Both come from one count of pairs, U.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LEVEL = 0.05
MOST_EXCHANGES = 100_000
SEED = 0
# Vargha and Delaney's (2000) words for |A - 0.5| of at least so much.
SIZES = ((0.21, "large"), (0.14, "medium"), (0.06, "small"), (0.0, "negligible"))


class Comparison(NamedTuple):
    """Two groups of runs compared.

    Attributes:
        names: Of the groups.
        runs: Number of runs of each.
        means: Mean hypervolume of each.
        stds: Sample standard deviation of each; NaN for one run.
        difference: First mean less second.
        effect: Vargha and Delaney's A, the probability that a run of the first group has the larger hypervolume.
        p: Of the two-sided test; 1 where all hypervolumes are equal.
        method: How p was found.
        smallest_p: The smallest that so many runs can give at all.
    """

    names: tuple[str, str]
    runs: tuple[int, int]
    means: tuple[float, float]
    stds: tuple[float, float]
    difference: float
    effect: float
    p: float
    method: str
    smallest_p: float


def compare(first: Sequence[float], second: Sequence[float], names: tuple[str, str]) -> Comparison:
    """Compare two groups of hypervolumes, at least one in each."""
    from scipy.stats import PermutationMethod, mannwhitneyu

    everything = [*first, *second]
    if len(set(everything)) == 1:
        p, method, u = 1.0, "all hypervolumes are equal", len(first) * len(second) / 2
    elif min(len(first), len(second)) == 1:  # scipy exchanges no single run
        u, p = _single(first, second)
        method = "Mann-Whitney, every exchange of runs"
    elif len(set(everything)) == len(everything):
        u, p = mannwhitneyu(first, second, alternative="two-sided", method="exact")
        method = "Mann-Whitney, exact"
    else:
        every = math.comb(len(everything), len(first)) <= MOST_EXCHANGES
        exchange = PermutationMethod(n_resamples=np.inf if every else MOST_EXCHANGES, rng=np.random.default_rng(SEED))
        u, p = mannwhitneyu(first, second, alternative="two-sided", method=exchange, use_continuity=False)
        how = "every exchange" if every else f"{MOST_EXCHANGES} random exchanges"
        method = f"Mann-Whitney with ties, {how} of runs"
    return Comparison(
        names,
        (len(first), len(second)),
        (statistics.fmean(first), statistics.fmean(second)),
        tuple(statistics.stdev(group) if len(group) > 1 else math.nan for group in (first, second)),  # type: ignore[arg-type]
        statistics.fmean(first) - statistics.fmean(second),
        float(u) / (len(first) * len(second)),
        float(p),
        method,
        smallest_p(len(first), len(second)),
    )


def _single(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Return U and p where one of the groups is a single run: each run takes its place in turn."""
    alone, others = (first, second) if len(first) == 1 else (second, first)
    everything = np.array([*alone, *others])
    below = (everything[:, None] > everything).sum(axis=1)
    places = below + ((everything[:, None] == everything).sum(axis=1) - 1) / 2
    tails = (places <= places[0]).mean(), (places >= places[0]).mean()
    u = float(places[0]) if alone is first else len(others) - float(places[0])
    return u, min(1.0, 2.0 * float(min(tails)))


def smallest_p(first: int, second: int) -> float:
    """Return the smallest p that a two-sided test of so many runs by exchange can have."""
    return min(1.0, 2.0 / math.comb(first + second, first))


def sentence(found: Comparison) -> str:
    """Say what came out, in words; first of all if there are too few runs to say anything."""
    one, other = found.names
    runs = f"{found.runs[0]} and {found.runs[1]} runs"
    if found.smallest_p > LEVEL:
        return (
            f"Too few runs: with {runs} no two-sided test can reach p ≤ {LEVEL:g}, the smallest possible p is "
            f"{found.smallest_p:.2g}; {_enough(found.runs)}. {_effect(found)}"
        )
    if found.p > LEVEL:
        return (
            f"No difference between {one} and {other} is shown (p = {found.p:.2g}, {runs}), which does not show that "
            f"there is none. {_effect(found)}"
        )
    better, worse = (one, other) if found.effect > 0.5 else (other, one)
    return f"{better} has larger hypervolumes than {worse} (p = {found.p:.2g}, {runs}). {_effect(found)}"


def _effect(found: Comparison) -> str:
    if found.effect == 0.5:
        return f"A run of {found.names[0]} is as often the better as a run of {found.names[1]} (A = 0.5)."
    pairs = found.runs[0] * found.runs[1]
    won = found.effect * pairs
    means = f"the means are {found.means[0]:.4g} and {found.means[1]:.4g}"
    one, other = found.names
    told = f"A run of {one} has the larger hypervolume than a run of {other} in {won:g} of {pairs} pairs"
    if found.smallest_p > LEVEL:  # as few runs are all apart by chance
        return f"{told}; {means}."
    size = next(word for bound, word in SIZES if abs(found.effect - 0.5) >= bound - 1e-12)
    return f"{told} (A = {found.effect:.2f}, a {size} effect); {means}."


def _enough(runs: tuple[int, int]) -> str:
    """Say how many runs it takes, first by adding to the smaller group alone."""
    each = next(count for count in range(1, 10) if smallest_p(count, count) <= LEVEL)
    if max(runs) <= each:
        return f"{each} of each can"
    more = next(count for count in range(1, each + 1) if smallest_p(max(runs), count) <= LEVEL)
    return f"{max(runs)} and {more} can"
