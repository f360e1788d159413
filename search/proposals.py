"""Which points are tried: Optuna's ask and tell over a journal in the run folder.

Owns the states of the journal (finished is COMPLETE, stopped early is PRUNED with its curve, an error or NaN is FAIL
with its reason), the guards as constraints of the sampler, the seeds, and what a crash left behind. One driver writes;
it holds the run folder's lock, so the journal needs none of its own. No Ray in here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from results.objectives import Guard
from search.messages import Order, Outcome
from search.schema import Choice, IntegerRange, Parameter, Space

JOURNAL_FILE = "study.journal"
DIRECTIONS = {"minimise": StudyDirection.MINIMIZE, "maximise": StudyDirection.MAXIMIZE}
UNMEASURED_VIOLATION = 1e6


class _NoLock:
    """Stands in for the journal's lock file, which a killed driver would leave behind for 30 s."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


class Proposals:
    """Asks for trials and tells their outcomes."""

    def __init__(self, space: Space, folder: Path):
        """Open the journal of a run folder, or begin one.

        Args:
            space: What is searched.
            folder: The run folder; this process holds its lock.
        """
        self._space = space
        _cut_unfinished_line(folder / JOURNAL_FILE)
        backend: BaseJournalBackend = JournalFileBackend(str(folder / JOURNAL_FILE), lock_obj=_NoLock())  # type: ignore[arg-type]
        directions = [DIRECTIONS[objective.direction] for objective in space.objectives]
        self._study = optuna.create_study(
            storage=optuna.storages.JournalStorage(backend),
            study_name=space.name,
            directions=directions,
            load_if_exists=True,
        )
        # Sampling is done on a copy in memory: the journal then gets a trial with all its parameters as one entry.
        # Asking the journal's study itself writes them one by one, and a driver killed in between leaves half a trial.
        self._copy = optuna.create_study(directions=directions)
        self._copy.add_trials(self._study.get_trials())
        self._distributions = {name: distribution(entry) for name, entry in space.parameters.items()}
        self._again: list[int] = []

    def reconcile(self, ended: Iterable[Outcome]) -> list[int]:
        """Bring journal and table together after a crash.

        A trial that has a row and is still running in the journal is told from the row; one that has no row is
        run again under the same number, with the same parameters and seed.

        Args:
            ended: Trials that have a row in `trials.csv`.

        Returns:
            The numbers of the trials to be run again.
        """
        rows = {outcome.order.trial: outcome for outcome in ended}
        trials = self._study.get_trials(deepcopy=False)
        for trial in trials:
            if trial.number in rows and not trial.state.is_finished():
                self.tell(rows[trial.number])
        self._again = sorted(trial.number for trial in trials if trial.number not in rows)
        return list(self._again)

    def order(self, trial: int) -> Order:
        """Return the order of a trial that has been asked for."""
        return self._order(self._study.get_trials(deepcopy=False)[trial])

    def ask(self) -> Order:
        """Return the next trial: one that a crash interrupted, or a new one.

        The sampler's randomness comes from the seed and the trial's number alone, so a run that is resumed goes
        on as it would have gone.
        """
        if self._again:
            return self.order(self._again.pop(0))
        self._copy.sampler = self._sampler(len(self._copy.get_trials(deepcopy=False)))
        parameters = self._copy.ask(fixed_distributions=self._distributions).params
        self._study.add_trial(
            optuna.trial.create_trial(state=TrialState.RUNNING, params=parameters, distributions=self._distributions)
        )
        return self._order(self._study.get_trials(deepcopy=False)[-1])

    def tell(self, outcome: Outcome, curve: Sequence[dict[str, float]] = ()) -> None:
        """Record an outcome; a trial that the journal has as ended already stays as it is.

        Args:
            outcome: An interrupted one is left running, to be run again.
            curve: The rows of a trial that was stopped early.
        """
        if outcome.state != "interrupted":
            for study in (self._study, self._copy):
                self._tell(study, outcome, curve)

    def _tell(self, study: optuna.Study, outcome: Outcome, curve: Sequence[dict[str, float]]) -> None:
        frozen = study.get_trials(deepcopy=False)[outcome.order.trial]
        if frozen.state.is_finished():
            return
        trial = optuna.trial.Trial(study, frozen._trial_id)
        if outcome.state == "finished":
            trial.set_user_attr("metrics", outcome.metrics)
            for guard in self._space.guards:
                for bound, amount in violations(guard, outcome.metrics.get(guard.metric, math.nan)).items():
                    trial.set_constraint(f"{guard.metric}:{bound}", amount)
            study.tell(trial, [outcome.metrics[objective.metric] for objective in self._space.objectives])
            return
        trial.set_user_attr("reason", outcome.reason)
        if outcome.state == "stopped":
            trial.set_user_attr("curve", [dict(row) for row in curve])
        study.tell(trial, state=TrialState.PRUNED if outcome.state == "stopped" else TrialState.FAIL)

    def _order(self, trial: FrozenTrial) -> Order:
        return Order(trial.number, dict(trial.params), self._space.trial_seed(trial.number))

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        seed = int(np.random.SeedSequence([self._space.seed, number]).generate_state(1)[0])
        if self._space.sampler.name == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        return optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=self._space.sampler.startup_trials, constant_liar=True
        )


def distribution(parameter: Parameter) -> BaseDistribution:
    """Return Optuna's form of a parameter."""
    if isinstance(parameter, Choice):
        return CategoricalDistribution(parameter.values)
    if isinstance(parameter, IntegerRange):
        highest = parameter.high - (parameter.high - parameter.low) % parameter.step
        return IntDistribution(parameter.low, highest, step=parameter.step)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.type == "log")


def violations(guard: Guard, value: float) -> dict[str, float]:
    """Return by how much a value breaks each bound of a guard; above 0 it is broken.

    Args:
        guard: One to four bounds.
        value: As measured; NaN breaks every bound.
    """
    excess = {
        "below": None if guard.below is None else value - guard.below,
        "at_most": None if guard.at_most is None else value - guard.at_most,
        "above": None if guard.above is None else guard.above - value,
        "at_least": None if guard.at_least is None else guard.at_least - value,
    }
    strict = {"below", "above"}
    given = {bound: amount for bound, amount in excess.items() if amount is not None}
    return {bound: _violation(amount, bound in strict) for bound, amount in given.items()}


def _violation(amount: float, strict: bool) -> float:
    if not math.isfinite(amount):
        return -UNMEASURED_VIOLATION if amount < 0 else UNMEASURED_VIOLATION
    return math.ulp(0.0) if strict and amount == 0 else amount


def _cut_unfinished_line(journal: Path) -> None:
    """Remove what is left of an entry whose writing was cut off; the next one would be glued to it."""
    if not journal.is_file():
        return
    data: Any = journal.read_bytes()
    complete = data.rfind(b"\n") + 1
    if complete != len(data):
        with journal.open("r+b") as file:
            file.truncate(complete)
