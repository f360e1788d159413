"""Optuna's samplers by the names of the space file: who proposes the next point.

The randomness of a trial comes from the run's seed and the trial's number alone, so that a run that is resumed goes on
as it would have gone.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from results.records.text import recorded
from search.exceptions import one_line
from search.policy.front_sampler import FrontSampler
from search.space.named import made
from search.space.parameters import Categorical, FloatRange, IntegerRange, Parameter
from search.space.schema import Sampler, Space

SEED = "seed"  # attributes of a trial in the journal
ROUND = "round"  # of a replicate
LINE_KEY = "line"  # of a line: the values that it goes through
ADDED = "added"  # of a point that the user has added to a search under way


class Point(NamedTuple):
    """A point, and what its sampler has to find again later."""

    parameters: dict[str, Any]  # value by name
    notes: dict[str, Any]  # the sampler's own attributes of the trial, such as its generation


class PointSampler:
    """Proposes points of a space for a study."""

    def __init__(self, space: Space):
        self._space = space
        self._distributions = {name: distribution(entry) for name, entry in space.parameters.items()}
        # Of an ordered choice samplers see the position, a whole number; the journal has the value.
        self._ordered = {
            name: entry.recorded_values
            for name, entry in space.parameters.items()
            if isinstance(entry, Categorical) and entry.ordered
        }
        self._seen = self._distributions | {
            name: IntDistribution(0, len(values) - 1) for name, values in self._ordered.items()
        }
        self._conditional = any(entry.when for entry in space.parameters.values())
        self._sequence = _Sequence(space.seed, self._seen) if space.sampler.name in ("qmc", "gp") else None

    def propose(
        self,
        study: optuna.Study,
        number: int,
        lines: Sequence[Sequence[float]] = (),
        start: Mapping[str, Any] | None = None,
    ) -> Point:
        """Propose the point of a trial, by its number in this run from 0, and add it to a study as a running trial.

        The study lives in memory; it may hold trials of earlier runs before those of this one. `lines` are the
        objectives of lines that keep the guards; a sampler may look at what is missing beside them. `start` are values
        that the point has to have; None: those of the space's starting point of this number.
        """
        if start is None:
            start = self._space.start[number] if number < len(self._space.start) else {}
        start = {name: recorded(value) for name, value in start.items()}
        if self._sequence is not None and self._spreads(study):
            parameters = self._space.active({**self._values(self._sequence.point(number)), **start})
            study.add_trial(self.seen(self.running(Point(parameters, {}))))
            return Point(parameters, {})
        if start:
            study.enqueue_trial(self._positions(start))
        study.sampler = self._make(number, lines)
        if self._conditional:
            trial = study.ask()
            self._suggest(trial)
        else:
            trial = study.ask(fixed_distributions=self._seen)
        return Point(self._values(trial.params), dict(study.get_trials(deepcopy=False)[-1].system_attrs))

    def _spreads(self, study: optuna.Study) -> bool:
        """Say whether the next point comes from the Sobol sequence: of `gp` those before its first model."""
        ended = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
        return self._space.sampler.name == "qmc" or len(ended) < self._space.sampler.startup_trials

    def running(self, point: Point) -> FrozenTrial:
        """Return a point as a running trial, to be added to a study as one entry."""
        return create_trial(
            state=TrialState.RUNNING,
            params=point.parameters,
            distributions={name: self._distributions[name] for name in point.parameters},
            system_attrs=point.notes,
        )

    def again(self, trial: FrozenTrial) -> FrozenTrial:
        """Return a trial of the journal as a running one, with the attributes that say what it is."""
        running = self.running(Point(dict(trial.params), dict(trial.system_attrs)))
        for name in trial.user_attrs.keys() & {SEED, ROUND, LINE_KEY, ADDED}:
            running.set_user_attr(name, trial.user_attrs[name])
        return running

    def seen(self, trial: FrozenTrial) -> FrozenTrial:
        """Return a trial as samplers see it, with positions in place of the values of ordered choices."""
        if not self._ordered.keys() & trial.params.keys():
            return trial
        trial = copy.copy(trial)
        trial.params = self._positions(trial.params)
        trial.distributions = {name: self._seen[name] for name in trial.params}
        return trial

    def _positions(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._ordered[name].index(v) if name in self._ordered else v for name, v in values.items()}

    def _values(self, positions: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._ordered[name][v] if name in self._ordered else v for name, v in positions.items()}

    def _suggest(self, trial: optuna.Trial) -> None:
        """Ask for one parameter after another: which there are depends on the values of those before."""
        for name, entry in self._space.parameters.items():
            if not entry.applies(self._values(trial.params)):
                continue
            if name in self._ordered:
                trial.suggest_int(name, 0, len(self._ordered[name]) - 1)
            elif isinstance(entry, Categorical):
                trial.suggest_categorical(name, entry.recorded_values)
            elif isinstance(entry, IntegerRange):
                trial.suggest_int(name, entry.low, _highest(entry), step=entry.step, log=entry.log)
            else:
                trial.suggest_float(name, entry.low, _highest_number(entry), step=entry.step, log=entry.type == "log")

    def _make(self, number: int, lines: Sequence[Sequence[float]]) -> optuna.samplers.BaseSampler:
        seed = int(np.random.SeedSequence([self._space.seed, number]).generate_state(1)[0])
        settings = self._space.sampler
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            if settings.name == "tpe":
                # Parameters are modelled together: a front is a curve through all of them.
                return optuna.samplers.TPESampler(
                    seed=seed,
                    n_startup_trials=settings.startup_trials,
                    constant_liar=True,
                    multivariate=True,
                    group=self._conditional,
                )
            if settings.name == "gp":
                references = [objective.reference for objective in self._space.objectives]
                return FrontSampler(self._seen, references, seed, lines)
            if settings.name == "nsga2":
                return optuna.samplers.NSGAIISampler(seed=seed, population_size=settings.population)
            if settings.name == "nsga3":
                return optuna.samplers.NSGAIIISampler(seed=seed, population_size=settings.population)
            if settings.is_ours:
                return optuna.samplers.RandomSampler(seed=seed)
            return made_sampler(settings, seed)


def made_sampler(settings: Sampler, seed: int) -> optuna.samplers.BaseSampler:
    """Return the sampler that a space names as `module:class`.

    Raises:
        ValueError: It cannot be made, or is none; the message says why.
    """
    kind = optuna.samplers.BaseSampler
    return made(settings.name, kind, settings.arguments, {"seed": seed})  # type: ignore[type-abstract]


def check_sampler(space: Space, points: Sequence[Mapping[str, Any]]) -> None:
    """Let the sampler of a space propose at its beginning, and once more when trials at these points have ended.

    Raises:
        ValueError: It cannot be made, or cannot propose; the message says why.
    """
    made_sampler(space.sampler, space.seed)
    draw = np.random.default_rng(space.seed)
    try:
        with _empty_study(space) as study:
            sampler = PointSampler(space)
            sampler.propose(study, 0)
            for point in points:
                trial = sampler.running(Point(dict(point), {}))
                trial.state, trial.datetime_complete = TrialState.COMPLETE, trial.datetime_start
                trial.values = list(draw.uniform(size=len(space.objectives)))
                study.add_trial(sampler.seen(trial))
            sampler.propose(study, len(points))
    except (Exception, SystemExit) as error:
        why = f"{type(error).__name__}: {one_line(error)[:200]}"
        raise ValueError(f"{space.sampler.name} cannot propose: {why}") from error


def drawn_points(space: Space, count: int) -> list[dict[str, Any]]:
    """Return points drawn at random from a space; the same each time."""
    return first_points(space.model_copy(update={"sampler": Sampler(name="random"), "start": ()}), count)


def first_points(space: Space, count: int) -> list[dict[str, Any]]:
    """Return the points that a search begins with, as long as none has ended."""
    with _empty_study(space) as study:
        sampler = PointSampler(space)
        return [sampler.propose(study, number).parameters for number in range(count)]


@contextmanager
def _empty_study(space: Space) -> Iterator[optuna.Study]:
    """Yield a study for a trial of a sampler, in which Optuna says nothing."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield optuna.create_study(directions=["minimize"] * len(space.objectives))
    finally:
        optuna.logging.set_verbosity(verbosity)


class _Sequence:
    """The points of one scrambled Sobol sequence by their number.

    Optuna keeps how far the sequence has come in the study, which a resumed run would have lost; so the sequence has a
    study of its own, played forward as far as is asked.
    """

    def __init__(self, seed: int, distributions: dict[str, BaseDistribution]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.QMCSampler(seed=seed, scramble=True, warn_asynchronous_seeding=False)
        self._study = optuna.create_study(sampler=sampler)
        self._distributions = distributions
        self._points: list[dict[str, Any]] = []

    def point(self, number: int) -> dict[str, Any]:
        while len(self._points) <= number:
            trial = self._study.ask(fixed_distributions=self._distributions)
            self._study.tell(trial, 0.0)
            self._points.append(trial.params)
        return self._points[number]


def distribution(parameter: Parameter) -> BaseDistribution:
    """Return Optuna's form of a parameter."""
    if isinstance(parameter, Categorical):
        return CategoricalDistribution(parameter.recorded_values)
    if isinstance(parameter, IntegerRange):
        return IntDistribution(parameter.low, _highest(parameter), step=parameter.step, log=parameter.log)
    highest = _highest_number(parameter)
    return FloatDistribution(parameter.low, highest, log=parameter.type == "log", step=parameter.step)


def _highest(parameter: IntegerRange) -> int:
    """Return the last value of the grid; Optuna wants the range to end on it."""
    return parameter.high - (parameter.high - parameter.low) % parameter.step


def _highest_number(parameter: FloatRange) -> float:
    """Return the last value of the grid of a float, as exactly as it is written in decimal digits."""
    if parameter.step is None:
        return parameter.high
    low, high, step = (Decimal(str(value)) for value in (parameter.low, parameter.high, parameter.step))
    return float(high - (high - low) % step)
