"""What chance does to a front: how far seeds scatter, what seeds that chose nothing say, and how sure points are.

**Spread.** Seeds are taken to scatter alike in all points, normally about their point's mean, so the spread of one seed
is pooled: the covariance within points, over all of them that have several seeds.

**Trained again.** What the means would be, were every point trained again with as many seeds: each mean is moved by
noise of the pooled spread over √seeds, the spread itself as unsure as its degrees of freedom leave it (a parametric
bootstrap; Efron and Tibshirani, "An introduction to the bootstrap", 1993, section 6.5). Unlike a resampling of the
seeds there are, it moves points of one seed as well.

**Measured again.** A front of many noisy values is the front of the lucky ones: it dominates more than the same
configurations do on average. So the front that the first seed of every point gives is measured by their other seeds,
which did not choose it. The hypervolume of means that are noisy themselves is still a little too large; by how much is
what the noise adds once more when it is added once more, and is taken off (Efron and Tibshirani, section 10.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from results.front.dominance import nondominated, on_front, volume
from results.front.points import mean, trial_order
from results.front.seeds import Seeds
from results.records.objectives import Guard, Objective, metric_values, minimised, objective_values

DRAWS = 1000  # a share is then exact to ±3 %: 1.96 · √(0.25 / 1000)
SEED = 0
FAR = 6.0  # standard deviations that no draw crosses


class Spread(NamedTuple):
    """How far the seeds of a point scatter.

    Attributes:
        covariance: Of the objectives of one seed, (objectives, objectives).
        freedom: Degrees of freedom: seeds less points, of the points that have several.
    """

    covariance: np.ndarray
    freedom: int

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of each objective, (objectives,)."""
        return np.sqrt(np.diag(self.covariance))


def pooled_spread(seeds: Seeds) -> Spread | None:
    """Return the spread within points; None where no point has two seeds with finite objectives."""
    finite = np.isfinite(seeds.values).all(axis=1)
    values, owner = seeds.values[finite], seeds.owner[finite]
    _, place, counts = np.unique(owner, return_inverse=True, return_counts=True)
    freedom = int(len(values) - len(counts))
    if freedom < 1:
        return None
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, place, values)
    residuals = values - (sums / counts[:, None])[place]
    return Spread(residuals.T @ residuals / freedom, freedom)


def trained_again(means: np.ndarray, seeds: np.ndarray, spread: Spread, draws: int = DRAWS) -> np.ndarray:
    """Return means as they would come out again, (draws, points, objectives); the same ones for the same arguments.

    The means are those of points, (points, objectives), over `seeds` seeds each, (points,), 1 or more.
    """
    rng = np.random.default_rng(SEED)
    noise = rng.multivariate_normal(np.zeros(means.shape[1]), spread.covariance, (draws, len(means)), method="svd")
    wider = np.sqrt(spread.freedom / rng.chisquare(spread.freedom, size=draws))
    moved: np.ndarray = means + noise * wider[:, None, None] / np.sqrt(seeds)[:, None]
    return moved


def front_shares(means: np.ndarray, seeds: np.ndarray, spread: Spread) -> np.ndarray:
    """Return the share of draws of `trained_again` in which each point is non-dominated, (points,).

    A point that no draw could bring to the front has 0 and is not drawn.
    """
    near = possible(means, seeds, spread)
    shares = np.zeros(len(means))
    for drawn in trained_again(means[near], seeds[near], spread):
        shares[near] += on_front(drawn)
    return shares / DRAWS


def possible(means: np.ndarray, seeds: np.ndarray, spread: Spread) -> np.ndarray:
    """Return the points, indices into `means`, that do not lie behind the front by more than noise can do."""
    reach = FAR * spread.std / np.sqrt(seeds)[:, None]
    worst = nondominated(means + reach)
    behind = [bool((worst < point).all(axis=1).any()) for point in means - reach]
    return np.flatnonzero(~np.array(behind, dtype=bool))


class Halves(NamedTuple):
    """Points by the seed that chose them, and by their others; NaN where guards are broken or nothing was measured.

    Attributes:
        first: Objectives of the seed that was trained first, to be minimised, (points, objectives).
        others: Means of the others, to be minimised, (points, objectives).
        counts: Number of the others, (points,).
    """

    first: np.ndarray
    others: np.ndarray
    counts: np.ndarray


def halves(
    trials: pd.DataFrame, owner: np.ndarray, points: int, objectives: Sequence[Objective], guards: Sequence[Guard]
) -> Halves:
    """Split the finished trials of each point; `owner` is the row of each trial's point, (trials,), of `points`."""
    values = minimised(objective_values(trials, objectives), objectives)
    guarded = [metric_values(trials, guard.metric) for guard in guards]
    first, others = np.full((points, len(objectives)), np.nan), np.full((points, len(objectives)), np.nan)
    counts = np.zeros(points, dtype=int)
    finished = np.flatnonzero((trials["state"] == "finished").to_numpy(dtype=bool))
    members: dict[int, list[int]] = {}
    for row in sorted(finished, key=lambda row: trial_order(trials["trial"].iloc[row])):
        members.setdefault(int(owner[row]), []).append(int(row))
    for point, rows in members.items():
        for half, chosen in ((first, rows[:1]), (others, rows[1:])):
            if chosen and _kept(guards, guarded, chosen):
                half[point] = [mean(column) for column in values[chosen].T]
        counts[point] = len(rows) - 1
    return Halves(first, others, counts)


def _kept(guards: Sequence[Guard], columns: Sequence[np.ndarray], rows: list[int]) -> bool:
    means = (np.array([mean(column[rows])]) for column in columns)
    return all(bool(guard.holds(value)[0]) for guard, value in zip(guards, means, strict=True))


class MeasuredAgain(NamedTuple):
    """A front measured by seeds that did not choose it.

    Attributes:
        hypervolume: Of the front that the first seeds gave, by the other seeds of its points.
        std: Of that, by the spread of seeds alone.
        selected: Hypervolume of that front as the first seeds gave it.
        points: Points of it that have other seeds.
        front: Points of it.
    """

    hypervolume: float
    std: float
    selected: float
    points: int
    front: int


def measured_again(found: Halves, spread: Spread | None, reference: np.ndarray) -> MeasuredAgain | None:
    """Measure a front again, up to a reference point to be minimised, (objectives,); None without other seeds."""
    able = np.flatnonzero(np.isfinite(found.first).all(axis=1))
    chosen = able[on_front(found.first[able])]
    again = chosen[found.counts[chosen] > 0]
    if not len(again) or spread is None:
        return None
    counted = again[np.isfinite(found.others[again]).all(axis=1)]
    means, seeds = found.others[counted], found.counts[counted]
    plain = volume(means, reference)
    drawn = [volume(moved, reference) for moved in trained_again(means, seeds, spread)] if len(means) else [0.0] * 2
    corrected = max(0.0, 2.0 * plain - float(np.mean(drawn)))
    selected = volume(found.first[chosen], reference)
    return MeasuredAgain(corrected, float(np.std(drawn, ddof=1)), selected, len(again), len(chosen))
