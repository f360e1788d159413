"""A sampler for fronts: Gaussian processes that take objectives as logarithms and know what is running.

Each objective, and each guard that a trial has broken, has a Gaussian process of its own. The next point is the one
with the largest expected improvement of the front's hypervolume (Emmerich, Giannakoglou and Naujoks, IEEE Transactions
on Evolutionary Computation 10(4), 2006), times the probability that it keeps the guards (Schonlau, Welch and Jones,
1998). Trials that are running count with what is expected of them.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import norm, qmc
from threadpoolctl import threadpool_limits

GRID = 2048  # as many points at most are all looked at; of more, that many drawn
BEST, NEARBY = 8, 32  # of the best points, points around each, each time it is looked closer
CLOSER = (0.2, 0.05, 0.01)  # how near, as a share of each range
SAME = 1e-4  # of each range; what is nearer to a point that was tried is that point
SMALLEST = 1e-3  # of the median; an objective below that is as good as nothing, and nothing has no logarithm


class FrontSampler(optuna.samplers.BaseSampler):
    """Proposes the point from which the front is expected to gain most.

    Args:
        distributions: Parameters by name.
        references: The reference point of the objectives.
        seed: Of the draws.
        beside: Objectives, (points, objectives), of what is on the front besides the trials: lines. What a point adds
            is what it adds to them; the models know nothing of them.
    """

    def __init__(
        self,
        distributions: Mapping[str, BaseDistribution],
        references: Sequence[float],
        seed: int,
        beside: Sequence[Sequence[float]] = (),
    ):
        self._distributions = dict(distributions)
        self._counts = np.array([len(values_of(d) or ()) or math.inf for d in distributions.values()])
        self._listed = math.prod(self._counts) <= GRID  # so few that all points are looked at
        self._references = np.asarray(references, dtype=float)
        self._beside = np.asarray(beside, dtype=float).reshape(-1, len(references))
        self._rng = np.random.default_rng(seed)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return all parameters: they are modelled together."""
        return self._distributions

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Refuse: there is none that is not proposed with the others."""
        raise AssertionError(f"{param_name} is proposed with the others")

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the point; the study has a finished trial or more."""
        known = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.RUNNING))
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a length scale at its bound, and the like
            best = self._best(study.directions, [other for other in known if other.number != trial.number])
        return {name: value_at(d, share) for (name, d), share in zip(self._distributions.items(), best, strict=True)}

    def _best(self, directions: Sequence[StudyDirection], trials: Sequence[FrozenTrial]) -> np.ndarray:
        ended = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        pending = self._shares([trial for trial in trials if trial.state == TrialState.RUNNING])
        shares = self._shares(ended)
        sign = np.array([1.0 if direction == StudyDirection.MINIMIZE else -1.0 for direction in directions])
        measured = np.concatenate([np.array([trial.values for trial in ended]), self._beside])
        measured, reference = scaled(sign * measured, sign * self._references)
        y, beside = np.split(measured, [len(ended)])
        broken = violations(ended)
        x = self._features(shares)
        models = [Process.fit(x, column, self._rng) for column in y.T]
        limits = [Process.fit(x, column, self._rng) for column in broken.T if (column > 0).any()]
        front = np.concatenate([y[(broken <= 0).all(1)], beside])
        if len(pending) and len(front):
            expected = self._predict(models, pending).mean
            front = np.concatenate([front, expected])
            believed = self._features(pending)
            models = [model.told(believed, of) for model, of in zip(models, expected.T, strict=True)]

        def value(points: np.ndarray) -> np.ndarray:
            safe = self._predict(limits, points)
            kept = norm.logcdf(-safe.mean / safe.deviation).sum(-1)
            gain = (
                expected_gain(self._predict(models, points), front, reference) if len(front) else np.ones(len(points))
            )
            # Replicates train a point again, not the sampler.
            new = (np.abs(points[:, None] - tried).max(-1) > SAME).all(1)
            return np.where(new, kept + np.log(gain.clip(1e-300)), -np.inf)

        tried = np.concatenate([shares, pending])
        points = self._candidates()
        values = value(points)
        for width in () if self._listed else CLOSER:
            best = points[np.argsort(-values)[:BEST]]
            points = np.concatenate([best, self._near(best, width)])
            values = value(points)
        return points[int(values.argmax())]

    def _shares(self, trials: Sequence[FrozenTrial]) -> np.ndarray:
        """Return where points lie in each range, (trials, parameters); in the middle where one is not searched."""
        rows = [
            [
                share_of(d, trial.params[name]) if name in trial.params else 0.5
                for name, d in self._distributions.items()
            ]
            for trial in trials
        ]
        return np.array(rows).reshape(len(trials), len(self._distributions))

    def _features(self, shares: np.ndarray) -> np.ndarray:
        """Return what models read: a number for each range, one for each value of a choice."""
        columns = []
        for d, share in zip(self._distributions.values(), shares.T, strict=True):
            if isinstance(d, CategoricalDistribution):
                columns.append(share[:, None] * len(d.choices) // 1 == np.arange(len(d.choices)))
            else:
                columns.append(share[:, None])
        return np.concatenate(columns, 1).astype(float)

    def _predict(self, models: Sequence[Process], shares: np.ndarray) -> Prediction:
        x = self._features(shares)
        found = [model.predict(x) for model in models]
        mean, deviation = (np.array([one[i] for one in found]).reshape(-1, len(x)).T for i in (0, 1))
        return Prediction(mean, deviation)

    def _candidates(self) -> np.ndarray:
        if not self._listed:
            return self._at_values(qmc.Sobol(len(self._distributions), rng=self._rng).random(GRID))
        shares = [[share_of(d, value) for value in values_of(d) or ()] for d in self._distributions.values()]
        return self._rng.permutation(np.array(list(product(*shares))))  # of equally good ones the first is taken

    def _near(self, points: np.ndarray, width: float) -> np.ndarray:
        """Return points around others; a parameter is now and then drawn anew, for choices have nothing near."""
        centre = np.repeat(points, NEARBY, axis=0)
        moved = centre + width * self._rng.standard_normal(centre.shape)
        anew = self._rng.random(centre.shape)
        return self._at_values(np.where(self._rng.random(centre.shape) < 0.1, anew, moved).clip(0.0, 1.0))

    def _at_values(self, points: np.ndarray) -> np.ndarray:
        """Return points that lie where parameters have a value."""
        for column, d, count in zip(points.T, self._distributions.values(), self._counts, strict=True):
            if math.isfinite(count) and _is_scaled(d):
                column[:] = [share_of(d, value_at(d, share)) for share in column]
            elif math.isfinite(count):
                column[:] = (np.floor(column * count).clip(max=count - 1) + 0.5) / count
        return points


class Process(NamedTuple):
    """A Gaussian process of one quantity, by scikit-learn, with a Matérn kernel and a length scale for each feature."""

    regressor: Any
    mean: float  # of what it was fitted on, and its deviation
    deviation: float

    @classmethod
    def fit(cls, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> Process:
        """Fit scales and noise by maximum likelihood to `x` (trials, features) and `y` (trials,)."""
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        mean, deviation = float(y.mean()), float(y.std()) or 1.0
        y = (y - mean) / deviation
        scales = Matern(np.ones(x.shape[1]), (0.1, 20.0), nu=2.5)
        kernel = ConstantKernel(1.0, (0.05, 20.0)) * scales + WhiteKernel(0.1, (1e-3, 1.0))
        state = int(rng.integers(2**31))
        regressor = GaussianProcessRegressor(kernel, n_restarts_optimizer=1, random_state=state)
        return cls(regressor.fit(x, y), mean, deviation)

    def told(self, more: np.ndarray, expected: np.ndarray) -> Process:
        """Return the process, of equal scales, if what is expected of further points were measured there."""
        from sklearn.gaussian_process import GaussianProcessRegressor

        known = self.regressor
        x = np.concatenate([known.X_train_, more])
        y = np.concatenate([known.y_train_, (expected - self.mean) / self.deviation])
        return self._replace(regressor=GaussianProcessRegressor(known.kernel_, optimizer=None).fit(x, y))

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and deviation, (points,) each, of the quantity without the noise of a single training."""
        mean, deviation = self.regressor.predict(x, return_std=True)
        known = np.sqrt((deviation**2 - self.regressor.kernel_.k2.noise_level).clip(1e-9))
        return self.mean + self.deviation * mean, self.deviation * known


class Prediction(NamedTuple):
    """What is expected at some points."""

    mean: np.ndarray  # (points, models)
    deviation: np.ndarray  # (points, models), without the noise of a single training


def scaled(y: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return objectives, to be minimised, and their reference, as logarithms where all of one are above 0."""
    y, reference = y.copy(), reference.copy()
    for j in range(y.shape[1]):
        if reference[j] > 0 and (y[:, j] >= 0).all() and (middle := np.median(y[:, j])) > 0:
            y[:, j] = np.log(y[:, j].clip(SMALLEST * middle))
            reference[j] = np.log(reference[j])
    return y, reference


def violations(trials: Sequence[FrozenTrial]) -> np.ndarray:
    """Return by how much each trial breaks each bound, (trials, bounds)."""
    bounds = list(dict.fromkeys(name for trial in trials for name in trial.constraints))
    return np.array([[trial.constraints.get(name, 0.0) for name in bounds] for trial in trials]).reshape(
        len(trials), -1
    )


def expected_gain(expected: Prediction, front: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return by how much the hypervolume is expected to grow with each point, (points,); all is to be minimised.

    The coordinates of the front cut the space below the reference point into cells. A point y adds of each cell that
    no point of the front dominates ∏ (upper − max(lower, y))⁺, and objectives are independent given the models, so
    the expectation is a product of E (t − y)⁺ = (t − μ) Φ((t − μ) / σ) + σ φ((t − μ) / σ), taken at both bounds.

    Args:
        expected: Of each point, (points, objectives).
        front: Points that count, dominated ones or not, (n, objectives).
        reference: The reference point, (objectives,).
    """
    inside = front[(front < reference).all(1)]
    cuts = [np.unique(column) for column in inside.T]
    lower = np.stack(np.meshgrid(*(np.append(-np.inf, at) for at in cuts), indexing="ij"), -1)
    dominated = [(point <= lower).all(-1) for point in inside]
    gain = 1.0 - np.any([np.zeros(lower.shape[:-1], dtype=bool), *dominated], axis=0)[None]
    for at, bound, mean, deviation in zip(cuts, reference, expected.mean.T, expected.deviation.T, strict=True):
        z = (np.append(at, bound) - mean[:, None]) / deviation[:, None]
        below = deviation[:, None] * (z * norm.cdf(z) + norm.pdf(z))
        width = np.diff(below, axis=1, prepend=0.0)
        gain = np.einsum("pi...,pi->p...", np.broadcast_to(gain, (len(width), *gain.shape[1:])), width)
    return gain


def values_of(d: BaseDistribution) -> Sequence[Any] | None:
    """Return all values of a parameter in their order; None for a range without steps."""
    if isinstance(d, CategoricalDistribution):
        return d.choices
    if isinstance(d, IntDistribution):
        return range(d.low, d.high + 1, d.step)
    assert isinstance(d, FloatDistribution)
    if d.step is None:
        return None
    steps = round((d.high - d.low) / d.step)
    return [d.low + d.step * i for i in range(steps + 1)]


def share_of(d: BaseDistribution, value: Any) -> float:
    """Return where a value lies in its range, from 0 to 1; one of a list in the middle of its part."""
    values = values_of(d)
    if values is None or _is_scaled(d):
        scale, low, high = _range(d)
        return float((scale(value) - low) / (high - low))
    if isinstance(d, FloatDistribution):
        return float((np.abs(np.array(values) - value).argmin() + 0.5) / len(values))
    return (values.index(value) + 0.5) / len(values)


def value_at(d: BaseDistribution, share: float) -> Any:
    """Return the value at a share of the range."""
    values = values_of(d)
    if values is not None and not _is_scaled(d):
        return values[min(int(share * len(values)), len(values) - 1)]
    _, low, high = _range(d)
    value = low + share * (high - low)
    assert isinstance(d, IntDistribution | FloatDistribution)
    found = float(np.clip(np.exp(value) if d.log else value, d.low, d.high))
    return found if isinstance(d, FloatDistribution) else round(found)


def _is_scaled(d: BaseDistribution) -> bool:
    """Say whether the shares of values follow a scale, and not their places among all values."""
    return isinstance(d, IntDistribution | FloatDistribution) and (d.log or d.step is None)


def _range(d: BaseDistribution) -> tuple[Callable[[float], float], float, float]:
    """Return the scale of a range, and its ends on it; whole numbers have half of one on either side."""
    assert isinstance(d, IntDistribution | FloatDistribution)
    scale, beyond = math.log if d.log else float, 0.5 if isinstance(d, IntDistribution) else 0.0
    return scale, scale(d.low - beyond), scale(d.high + beyond)
