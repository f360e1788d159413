"""The trials of a run in Optuna's journal, and a copy of them in memory, on which samplers work.

A finished trial is COMPLETE, one stopped is PRUNED with its curve, an error or NaN is FAIL with its reason; guards
are constraints of the sampler. One driver writes; it holds the run folder's lock, so the journal needs none of its own.

A damaged file is cut before the damage, and nothing is thrown away: what is left of an unfinished last line is no loss,
and anything else that does not fit is kept in a file beside it. Trials that are missing afterwards are taken from
`trials.csv` by `search.policy.proposals`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path

import optuna
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.policy.guards import violations
from search.policy.samplers import LINE_KEY, ROUND, Point, PointSampler
from search.space.schema import Space
from search.trials import TrialResult

JOURNAL_FILE = "study.journal"
DAMAGED = ".damaged"
DIRECTIONS = {"minimise": StudyDirection.MINIMIZE, "maximise": StudyDirection.MAXIMIZE}


class _NoLock:
    """Stands in for the journal's lock file, which a killed driver would leave behind for 30 s."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


class StudyJournal:
    """Trials that were asked for, with what became of them."""

    def __init__(self, space: Space, folder: Path, known: Sequence[TrialResult]):
        """Open the journal of a run folder whose lock this process holds, or begin one.

        Finished trials of earlier runs, `known`, are for the sampler alone.
        """
        self._space = space
        self._file = folder / JOURNAL_FILE
        self._known = known
        self._sampler = PointSampler(space)
        damage = cut_damage(self._file)
        self.repairs = [damage] if damage else []
        self._open()

    @property
    def name(self) -> str:
        """Name of the file."""
        return self._file.name

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials of this run by their numbers; not to be changed."""
        return self._study.get_trials(deepcopy=False)

    @property
    def memory(self) -> optuna.Study:
        """What samplers see: trials known of earlier runs, then those of this run."""
        return self._copy

    def begin_anew(self, reason: str, told: str = "") -> None:
        """Set the file aside, which is damaged for this reason, and begin an empty one; `told` in other words."""
        said = set_aside(self._file, reason)
        self.repairs.append(told or said)
        self._open()

    def _open(self) -> None:
        """Open the journal, and copy it to the memory."""
        try:
            self._load()
        except OSError:
            raise
        except Exception as error:
            # Entries that do not follow from one another make the library raise whatever comes.
            reason = f"its entries do not fit together ({type(error).__name__}: {error})"
            self.repairs.append(set_aside(self._file, reason))
            self._load()
        self._remember()

    def _load(self) -> None:
        backend: BaseJournalBackend = JournalFileBackend(str(self._file), lock_obj=_NoLock())  # type: ignore[arg-type]
        directions = [DIRECTIONS[objective.direction] for objective in self._space.objectives]
        self._journal = optuna.storages.JournalStorage(backend)
        self._study = optuna.create_study(
            storage=self._journal,
            study_name=self._space.name,
            directions=directions,
            load_if_exists=True,
        )

    def _remember(self) -> None:
        """Begin the memory with what is known of earlier runs and of this one."""
        # Sampling is done on a copy in memory: the journal then gets a trial with all its parameters as one entry.
        # Asking the journal's study itself writes them one by one, and a driver killed in between leaves half a trial.
        self._memory = optuna.storages.InMemoryStorage()
        self._copy = optuna.create_study(storage=self._memory, directions=self._study.directions)
        for number, result in enumerate(self._known):
            self._copy.add_trial(self._sampler.seen(self._sampler.running(Point(result.request.parameters, {}))))
            self._tell(self._copy, number, result, ())
        self._earlier = len(self._known)
        self._copy.add_trials([self._remembered(trial) for trial in self._study.get_trials()])
        self._share_notes(self._journal, self._memory)

    def add(self, running: FrozenTrial) -> None:
        """Add a trial that no sampler has just proposed: a replicate, a line, or one that is known from elsewhere."""
        self._study.add_trial(running)
        self._copy.add_trial(self._remembered(running))

    def add_proposed(self, running: FrozenTrial) -> None:
        """Add a trial that a sampler has proposed, so that the memory has it already."""
        self._study.add_trial(running)

    def keep_notes(self) -> None:
        """Write what the sampler has just noted in its study."""
        self._share_notes(self._memory, self._journal)

    def tell(self, result: TrialResult, curve: Sequence[Mapping[str, float]]) -> None:
        """Record how a trial ended; one that the journal has as ended already stays as it is."""
        self._tell(self._study, result.request.trial, result, curve)
        self._tell(self._copy, self._earlier + result.request.trial, result, curve)

    def _remembered(self, trial: FrozenTrial) -> FrozenTrial:
        """Return what stands for a trial in the sampler's memory.

        For a replicate and for a line that is a failed trial, which every sampler ignores. The front's points would
        weigh more than others otherwise, when a run goes on with a larger budget; like this it goes on as if it had had
        that budget from its beginning.
        """
        if trial.user_attrs.keys() & {ROUND, LINE_KEY}:
            trial = create_trial(
                state=TrialState.FAIL, params=dict(trial.params), distributions=dict(trial.distributions)
            )
        return self._sampler.seen(trial)

    def _tell(
        self, study: optuna.Study, number: int, result: TrialResult, curve: Sequence[Mapping[str, float]]
    ) -> None:
        frozen = study.get_trials(deepcopy=False)[number]
        if frozen.state.is_finished():
            return
        trial = optuna.trial.Trial(study, frozen._trial_id)
        if result.state == "finished":
            trial.set_user_attr("metrics", result.metrics)
            for guard in self._space.guards:
                for bound, amount in violations(guard, result.metrics.get(guard.metric, math.nan)).items():
                    trial.set_constraint(f"{guard.metric}:{bound}", amount)
            study.tell(trial, [result.metrics[objective.metric] for objective in self._space.objectives])
            return
        trial.set_user_attr("reason", result.reason)
        if result.state == "stopped":
            trial.set_user_attr("curve", [dict(row) for row in curve])
        study.tell(trial, state=TrialState.PRUNED if result.state == "stopped" else TrialState.FAIL)

    def _share_notes(self, source: optuna.storages.BaseStorage, target: optuna.storages.BaseStorage) -> None:
        """Copy what samplers keep in the study, such as the parents of a generation, between journal and memory.

        Each holds one study, so the trials that a note names have the same numbers again after a restart.
        """
        ids = [storage.get_all_studies()[0]._study_id for storage in (source, target)]
        known = target.get_study_system_attrs(ids[1])
        for key, value in source.get_study_system_attrs(ids[0]).items():
            if known.get(key) != value:
                target.set_study_system_attr(ids[1], key, value)


def cut_damage(journal: Path) -> str:
    """Cut a journal before its first line that is no entry; the next entry would be glued to it, or never be read.

    Return one line on what was cut; "" where the journal is whole or missing.
    """
    if not journal.is_file():
        return ""
    data = journal.read_bytes()
    whole = list(takewhile(_is_entry, data.splitlines(keepends=True)))
    kept = sum(map(len, whole))
    if kept == len(data):
        return ""
    if b"\n" not in data[kept:]:
        _truncate(journal, kept)
        return f"{journal}: the last line was cut off; {len(whole)} complete lines kept"
    _keep_beside(journal, data)
    _truncate(journal, kept)
    where, old = f"{journal}, line {len(whole) + 1}", f"{journal.name}{DAMAGED}"
    return f"{where}: damaged; the lines before it are kept, the old file is {old}"


def set_aside(journal: Path, reason: str) -> str:
    """Empty a journal whose entries do not fit together or belong to other trials, and say so in one line."""
    _keep_beside(journal, journal.read_bytes())
    _truncate(journal, 0)
    return f"{journal}: {reason}; begun anew from trials.csv, the old file is {journal.name}{DAMAGED}"


def _is_entry(line: bytes) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        entry = json.loads(line)
    except ValueError:
        return False
    return isinstance(entry, dict) and "op_code" in entry


def _keep_beside(journal: Path, data: bytes) -> None:
    place = journal.with_name(journal.name + DAMAGED)
    number = 1
    while place.exists():
        number += 1
        place = journal.with_name(f"{journal.name}{DAMAGED}-{number}")
    place.write_bytes(data)


def _truncate(journal: Path, size: int) -> None:
    with journal.open("r+b") as file:
        file.truncate(size)
