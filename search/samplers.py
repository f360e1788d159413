"""Optuna's samplers by name: who proposes the next point.

Owns how a name in the space file becomes a sampler, and what each needs so that a run that is resumed goes on as it
would have gone: the randomness of a trial comes from the run's seed and the trial's number alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from search.schema import Choice, IntegerRange, Parameter, Sampler


class Proposal(NamedTuple):
    """A point, and what its sampler has to find again later.

    Attributes:
        parameters: Value by name.
        notes: The sampler's own attributes of the trial, such as its generation.
    """

    parameters: dict[str, Any]
    notes: dict[str, Any]


class Proposer:
    """Proposes points for a study."""

    def __init__(self, sampler: Sampler, seed: int, distributions: Mapping[str, BaseDistribution]):
        """Prepare.

        Args:
            sampler: Name and settings.
            seed: Of the run.
            distributions: What is searched.
        """
        self._sampler = sampler
        self._seed = seed
        self._distributions = dict(distributions)
        self._sequence = _Sequence(seed, self._distributions) if sampler.name == "qmc" else None

    def propose(self, study: optuna.Study) -> Proposal:
        """Propose the next point and add it to `study`, which lives in memory, as a running trial."""
        number = len(study.get_trials(deepcopy=False))
        if self._sequence is not None:
            parameters = self._sequence.point(number)
            study.add_trial(
                create_trial(state=TrialState.RUNNING, params=parameters, distributions=self._distributions)
            )
            return Proposal(parameters, {})
        study.sampler = self._make(number)
        parameters = study.ask(fixed_distributions=self._distributions).params
        return Proposal(parameters, dict(study.get_trials(deepcopy=False)[-1].system_attrs))

    def _make(self, number: int) -> optuna.samplers.BaseSampler:
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        settings = self._sampler
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            if settings.name == "tpe":
                return optuna.samplers.TPESampler(
                    seed=seed, n_startup_trials=settings.startup_trials, constant_liar=True
                )
            if settings.name == "gp":
                return optuna.samplers.GPSampler(seed=seed, n_startup_trials=settings.startup_trials)
            if settings.name == "nsga2":
                return optuna.samplers.NSGAIISampler(seed=seed, population_size=settings.population)
            if settings.name == "nsga3":
                return optuna.samplers.NSGAIIISampler(seed=seed, population_size=settings.population)
            return optuna.samplers.RandomSampler(seed=seed)


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
    if isinstance(parameter, Choice):
        return CategoricalDistribution(parameter.values)
    if isinstance(parameter, IntegerRange):
        highest = parameter.high - (parameter.high - parameter.low) % parameter.step
        return IntDistribution(parameter.low, highest, step=parameter.step)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.type == "log", step=parameter.step)
