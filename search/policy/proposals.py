"""Which points are tried: Optuna's ask and tell over a journal in the run folder.

Trials get their numbers and seeds here, and what a crash left behind is put right. No Ray in here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from search.policy.journal import StudyJournal
from search.policy.lines import Continuation, continuations
from search.policy.replication import Replication, TrainedPoint, off_front
from search.policy.samplers import ADDED, LINE_KEY, ROUND, SEED, Point, PointSampler
from search.space.schema import LINE, Space
from search.trials import TrialRequest, TrialResult

STATES = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "stopped", TrialState.FAIL: "failed"}


class Proposals:
    """Asks for trials and tells their results."""

    def __init__(
        self,
        space: Space,
        folder: Path,
        known: Sequence[TrialResult] = (),
        seeds: Callable[[Mapping[str, Any]], Sequence[int]] = lambda parameters: (),
    ):
        """Open the journal of a run folder whose lock this process holds, or begin one.

        Of earlier runs, `known` are finished trials, for the sampler alone, and `seeds` gives those with which a point
        has been trained there: they come first.
        """
        self._space = space
        self._seeds = seeds
        self._replication = Replication(space)
        self._again: list[int] = []
        self._lines_again: list[int] = []
        self._replicates_again: list[int] = []
        self._sampler = PointSampler(space)
        self._journal = StudyJournal(space, folder, known)

    @property
    def repairs(self) -> list[str]:
        """What was found damaged, and what of it was kept; a line each."""
        return self._journal.repairs

    def reconcile(self, ended: Iterable[TrialResult], retried: Iterable[TrialRequest] = ()) -> list[int]:
        """Bring journal and table together after a crash; the table is right where they differ.

        `retried` had ended, and are to be run once more as they were.

        A trial that has a row (`ended`) and is still running in the journal is told from the row; one that has a row
        alone is added from it. One that has no row is run again under the same number, with the same parameters and
        seed where the journal has it.

        Returns:
            The numbers of the trials to be run again.
        """
        rows = {result.request.trial: result for result in ended}
        trials = self._journal.trials
        strange = [
            n for n, row in rows.items() if n < len(trials) and not _is_same(self._request(trials[n]), row.request)
        ]
        foreign = [trial.number for trial in trials if SEED not in trial.user_attrs]
        failed = {request.trial for request in retried}
        # Beside those that failed, what was under way goes on as it was.
        wanted = {t.number: t for t in trials if failed and (t.number in failed or not t.state.is_finished())}
        if wanted and not foreign:
            told = f"{self._journal.name}: {len(failed)} trials that failed are to be run again"
            self._journal.begin_anew("trials that failed are to be run again", told)
            self._sampler = PointSampler(self._space)
        elif strange or foreign:
            reason = f"its trial {(foreign or strange)[0]} " + (
                "was put there by something else than this search"
                if foreign
                else "is another one than that of trials.csv"
            )
            self._journal.begin_anew(reason)
            self._sampler = PointSampler(self._space)
        self._add_missing(rows, wanted)
        trials = self._journal.trials
        for trial in trials:
            if trial.number in rows and not trial.state.is_finished():
                self.tell(rows[trial.number])
        again = sorted(trial.number for trial in trials if trial.number not in rows)
        replicates, lines = self.replicates, self.lines
        self._again = [number for number in again if number not in replicates | lines]
        self._lines_again = [number for number in again if number in lines]
        self._replicates_again = [number for number in again if number in replicates]
        lost = [number for number in again if trials[number].state.is_finished()]
        if lost and not wanted:
            self.repairs.append(f"trials.csv: has no row of {_named(lost)} that had ended; run again")
        return again

    def _add_missing(self, rows: Mapping[int, TrialResult], wanted: Mapping[int, FrozenTrial]) -> None:
        """Add trials that the table has beyond the end of the journal, and propose those in between anew."""
        begin, end = len(self._journal.trials), max([*rows, *wanted], default=-1) + 1
        for number in range(begin, end):
            if number not in rows and number not in wanted:
                self._propose()
                continue
            if number in wanted:
                self._journal.add(self._sampler.again(wanted[number]))
                continue
            request = rows[number].request
            running = self._running(request.parameters, request.seed)
            # The table does not say which trials are replicates: those beyond the budget that train a point again.
            known = any(_parameters(trial) == request.parameters for trial in self._journal.trials)
            if known and number >= self._space.budget.trials:
                running.set_user_attr(ROUND, 1)
            self._journal.add(running)
        if end > begin and not wanted:
            taken = sorted(number for number in rows if number >= begin)
            self.repairs.append(f"{self._journal.name}: had no entry of {_named(taken)}; taken from trials.csv")

    def request(self, trial: int) -> TrialRequest:
        """Return the request of a trial that has been asked for."""
        return self._request(self._journal.trials[trial])

    def ask(self, most: int = 1) -> TrialRequest | None:
        """Return the next trial, one that a crash interrupted or a new one; None while a batch has not ended.

        The sampler's randomness comes from the seed and the trial's number alone, so a run that is resumed goes on as
        it would have gone. A batch has no more trials than are still wanted, `most`.
        """
        if not self._again and self._space.batch:
            if self._any_runs():
                return None
            self._again = [self._propose().trial for _ in range(min(self._space.batch, most))]
        return self.request(self._again.pop(0)) if self._again else self._propose()

    def add(self, point: Mapping[str, Any]) -> TrialRequest:
        """Put a point in front of those to come, as a trial of the budget; what it leaves out is sampled."""
        request = self._propose(point)
        self._again.insert(0, request.trial)
        return request

    @property
    def waiting(self) -> int:
        """How many of the budget's trials have a point and are to be given out."""
        return len(self._again)

    def give_back(self, trial: int) -> None:
        """Take a trial back that has not ended; it is the next one to be given out."""
        again = self._again
        if trial in self.replicates:
            again = self._replicates_again
        elif trial in self.lines:
            again = self._lines_again
        again.insert(0, trial)

    def go_on(self) -> TrialRequest | None:
        """Return the next line, a finished training that goes on; None where none is wanted now.

        Of a batch, none before all of it has ended.
        """
        if not self._lines_again and not (self._space.batch and self._any_runs()):
            for line in self._wanted_lines()[: None if self._space.batch else 1]:
                seed = self._journal.trials[line.parent].user_attrs[SEED]
                self._journal.add(self._running(line.parameters, seed))
                self._lines_again.append(len(self._journal.trials) - 1)
        return self.request(self._lines_again.pop(0)) if self._lines_again else None

    def _wanted_lines(self) -> list[Continuation]:
        return continuations(self._trained(), self._space) if self._space.sweep else []

    def _kept_lines(self) -> list[list[float]]:
        """Return the objectives of the lines that have finished and keep the guards."""
        lines = (self._journal.trials[number] for number in sorted(self.lines))
        finished = (trial for trial in lines if trial.state == TrialState.COMPLETE)
        return [trial.values for trial in finished if all(broken <= 0 for broken in trial.constraints.values())]

    @property
    def more_lines(self) -> int:
        """How many lines are to be trained, as far as is known."""
        return len(self._lines_again) + len(self._wanted_lines())

    def ended_for_good(self) -> list[int]:
        """Return the trials that have ended and from whose end no line will go on any more."""
        if self._space.sweep is None:
            return []
        trials = self._journal.trials
        parents: set[int | None] = {line.parent for line in self._wanted_lines()}
        parents |= {self._request(trial).parent for trial in trials if not trial.state.is_finished()}
        return [
            trial.number
            for trial in trials
            # A replicate is kept: a line may be trained again with its seed.
            if trial.state.is_finished() and ROUND not in trial.user_attrs and trial.number not in parents
        ]

    def unneeded_models(self) -> list[int]:
        """Return the finished trials whose models are not kept."""
        return off_front(self._trained(), self._space) if self._space.keep_models == "front" else []

    def replicate(self) -> TrialRequest | None:
        """Return the next replicate, a point's training with a further seed, once the budget's trials are given out.

        None while a round of replicates has not ended, and when no point lacks a seed any more.
        """
        if self._replicates_again:
            return self.request(self._replicates_again.pop(0))
        missing = self._replication.missing(self._trained())
        if not missing.points:
            return None
        number, parameters = len(self._journal.trials), missing.points[0]
        running = self._running(parameters, self._seed(parameters, number))
        running.set_user_attr(ROUND, missing.round)
        self._journal.add(running)
        return self.request(number)

    @property
    def replicates(self) -> frozenset[int]:
        """Numbers of the replicates that have been asked for."""
        return frozenset(t.number for t in self._journal.trials if ROUND in t.user_attrs)

    @property
    def lines(self) -> frozenset[int]:
        """Numbers of the lines that have been asked for; those that are replicates are not among them."""
        return frozenset(
            t.number for t in self._journal.trials if LINE_KEY in t.user_attrs and ROUND not in t.user_attrs
        )

    @property
    def expected_replicates(self) -> int:
        """How many replicates there will be in all, as far as the round under way tells."""
        return len(self.replicates) + len(self._replication.missing(self._trained()).points)

    @property
    def lacking(self) -> int:
        """How many replicates are to be trained, as far as is known; once all trials of the budget have ended."""
        if self._space.budget.replicates == 1:
            return 0
        return self.expected_replicates - len(self.replicates) + len(self._replicates_again)

    def _trained(self) -> list[TrainedPoint]:
        return [
            TrainedPoint(
                _parameters(trial),
                STATES.get(trial.state, "running"),
                trial.user_attrs.get("metrics", {}),
                trial.user_attrs.get(ROUND, 0),
            )
            for trial in self._journal.trials
        ]

    def _proposed(self) -> list[FrozenTrial]:
        return [trial for trial in self._journal.trials if not trial.user_attrs.keys() & {ROUND, LINE_KEY}]

    def _any_runs(self) -> bool:
        return any(not trial.state.is_finished() for trial in self._journal.trials if ROUND not in trial.user_attrs)

    def _running(self, parameters: Mapping[str, Any], seed: int) -> FrozenTrial:
        """Return a trial that no sampler proposed, as it is added to the journal."""
        plain = {name: value for name, value in parameters.items() if name != LINE}
        running = self._sampler.running(Point(plain, {}))
        running.set_user_attr(SEED, seed)
        if self._space.sweep and LINE in parameters:
            running.set_user_attr(LINE_KEY, parameters[LINE])
        return running

    def _propose(self, added: Mapping[str, Any] | None = None) -> TrialRequest:
        """Return a new trial of the budget, at the next of the space's starting points or at one that is `added`."""
        proposed = self._proposed()
        number, given, start = len(proposed), sum(ADDED not in trial.user_attrs for trial in proposed), added
        if start is None:
            start = self._space.start[given] if given < len(self._space.start) else {}
        point = self._sampler.propose(self._journal.memory, number, self._kept_lines(), start)
        self._journal.keep_notes()
        running = self._sampler.running(point)
        running.set_user_attr(SEED, self._seed(point.parameters, number))
        if added is not None:
            running.set_user_attr(ADDED, True)
        self._journal.add_proposed(running)
        return self._request(self._journal.trials[-1])

    def tell(self, result: TrialResult, curve: Sequence[dict[str, float]] = ()) -> None:
        """Record a result; a trial that the journal has as ended already stays as it is.

        An interrupted one is left running, to be run again. `curve` has the rows of a trial that was stopped early.
        """
        if result.state != "interrupted":
            self._journal.tell(result, curve)

    def _request(self, trial: FrozenTrial) -> TrialRequest:
        seed = trial.user_attrs.get(SEED, self._space.trial_seed(trial.number))
        parameters, parent = _parameters(trial), None
        if LINE_KEY in trial.user_attrs:
            before = self._space.before(parameters)
            same = (t for t in self._journal.trials if t.user_attrs.get(SEED) == seed and _parameters(t) == before)
            parent = next((t.number for t in same), None)
        return TrialRequest(trial.number, parameters, seed, ROUND in trial.user_attrs, parent)

    def _seed(self, parameters: Mapping[str, Any], number: int) -> int:
        """Return the seed of a new trial, one with which this run has not trained its point.

        It is one with which an earlier run has, or else the first from the trial's own.
        """
        trials = self._journal.trials
        used = {trial.user_attrs.get(SEED) for trial in trials if _parameters(trial) == parameters}
        known = list(self._seeds(parameters))
        if self._space.sweep and (before := self._space.before(parameters)):
            # With the seed of one that has been trained, a line goes on from its end.
            known += [trial.user_attrs[SEED] for trial in trials if _parameters(trial) == before]
        free = [seed for seed in known if seed not in used]
        return free[0] if free else next(s for s in count(self._space.trial_seed(number)) if s not in used)


def _parameters(trial: FrozenTrial) -> dict[str, Any]:
    """Return the parameters of a trial, and the line of one."""
    line = trial.user_attrs.get(LINE_KEY)
    return dict(trial.params) | ({LINE: line} if line else {})


def _is_same(journal: TrialRequest, table: TrialRequest) -> bool:
    """Say whether two requests are the same; an empty cell of the table says nothing."""
    ours = journal.parameters
    return journal.seed == table.seed and all(ours.get(name) == value for name, value in table.parameters.items())


def _named(numbers: Sequence[int]) -> str:
    """Return `trial 3`, or `5 trials (3, 4, 7, ...)`."""
    if len(numbers) == 1:
        return f"trial {numbers[0]}"
    return f"{len(numbers)} trials ({', '.join(map(str, numbers[:3]))}{', ...' if len(numbers) > 3 else ''})"
