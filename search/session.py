"""One session on a run: from an accepted space to the last line on the terminal.

In this order: tables and journal are opened and brought together, Ray is started or joined, trials run, and whatever
happens, Ray is left and the user is told how to go on.
"""

from __future__ import annotations

import logging
import os
import shlex
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
from ray import cloudpickle

from results.aggregate import rebuild
from results.command import EXIT_BAD_INPUT, console
from results.exceptions import RecordError
from results.front.front import FrontSummary, summarise
from results.front.overview import again_text, beyond_reference
from results.front.points import SEEDS_COLUMN
from search import cluster
from search.exceptions import ENDED_EARLY, FAILED, InputError, one_line, redacted
from search.policy.proposals import Proposals
from search.preparation import Options, Prepared, prepare_study, settle_resources
from search.protocol import Study
from search.record.disk import DiskFullError
from search.record.earlier_runs import (
    Reusable,
    check_comparable,
    fitting,
    read_earlier,
    read_warm_start,
    write_warm_start,
)
from search.record.mirror import Mirror
from search.record.origin import basis_now, mark, other_versions
from search.record.outbox import open_session
from search.record.recorder import Recorder
from search.record.run_folder import STUDY_FOLDER
from search.record.sources import sources
from search.space.reading import SpaceError
from search.space.schema import Space
from search.trials import TrialResult
from search.tune.fit import RunContext, RunLocation, run_search
from search.tune.preflight import Available, local_resources
from search.tune.searcher import TimeIsUpError
from search.tune.tracking import check_trackers
from search.watch.gauges import Gauges
from search.watch.head import HeadLostError, HeadWatch
from search.watch.hooks import Hooks
from search.watch.interruption import EXIT_CODE, Interruption
from search.watch.monitor import Monitor, Standing, front_table

log = logging.getLogger(__name__)


class Session:
    """One call of the command line, on a run folder whose lock is held."""

    def __init__(
        self,
        prepared: Prepared,
        study: Study,
        origin: Mapping[str, Any],
        options: Options,
        terminal: TextIO,
        mirror: Mirror | None = None,
    ):
        """Prepare a session, of a run that comes from `origin`, to be shown on the terminal; nothing starts yet."""
        self._prepared = prepared
        self._study = study
        self._origin = origin
        self._mirror = mirror
        self._options = options
        self._terminal = terminal
        self._folder = prepared.folder
        self._run: RunContext | None = None  # for a signal, which may come before there is one
        self._interruption = Interruption(self._on_second_signal)
        self._head = HeadWatch(self._interruption.end_with, self._on_stuck)

    def run(self) -> int:
        """Search until the budget is spent, tell who wants to know, and return the exit code."""
        code = FAILED
        try:
            code = self._search()
            return code
        except (InputError, RecordError):
            code = EXIT_BAD_INPUT
            raise
        except KeyboardInterrupt:
            code = EXIT_CODE
            raise
        finally:
            self._tell_end(code)

    def _tell_end(self, code: int) -> None:
        """Call the hook of the end, where there is one."""
        if self._run is not None and self._run.space.hooks.on_end:
            stands = Standing(self._run.space).counts(self._run.recorder.snapshot())
            hooks = Hooks(self._run.space, self._run.recorder, self._say)
            hooks.ended(code, f"ended with exit code {code}: {stands}")

    def _search(self) -> int:
        _check_travels(self._study, self._prepared.space.study)
        check_trackers(self._prepared.space, self._options.file)
        # Stopped in here, a new run leaves nothing that could be resumed.
        for line in prepare_study(self._study, self._prepared.space, self._folder.path / STUDY_FOLDER):
            self._say(line)
        try:
            if self._options.address is None:
                location = RunLocation(self._folder.path, "", None)
                run = self._open(self._prepared, location)
                if not _work(run):
                    return self._conclude(run, "")
                self._say("starting Ray ...")
                dashboard = cluster.start_local(local_resources())
            else:
                dashboard = cluster.join(self._options.address, sources(type(self._study)))
                location, prepared = self._settle(self._look())
                run = self._open(prepared, location)
            self._interruption.install()
            self._greet(run, dashboard)
            watched = run.space, run.recorder
            head = self._head.watching(cluster.vitals(joined=bool(location.session)))
            with Monitor(*watched, self._terminal), Gauges(*watched), Hooks(*watched), head:
                verdict = run_search(run)
            if location.session and not verdict:
                cluster.sweep_nodes(location.session)
        except DiskFullError as error:
            return self._out_of_space(error)
        except TimeIsUpError as error:
            verdict = str(error)
            run.recorder.interrupt(verdict)
        except (KeyboardInterrupt, SystemExit):  # while Ray starts, its own handler of SIGTERM exits
            return self._interrupted()
        except HeadLostError as error:
            verdict = str(error)
            run.recorder.interrupt(verdict)
        except Exception:
            # Without its head Ray raises whatever the call meets with that comes first.
            verdict = self._head.loss()
            if self._run is None or not verdict:
                raise
            log.exception("the search cannot go on")
            run = self._run
            run.recorder.interrupt(verdict)
        finally:
            cluster.leave()
        return self._conclude(run, verdict)

    def _look(self) -> Available:
        """Find out what the cluster that was joined has now."""
        return cluster.cluster_resources(self._options.address or "")

    def _settle(self, available: Available) -> tuple[RunLocation, Prepared]:
        """Find out the resources on a cluster that was joined, and which of its nodes see the run folder."""
        prepared = settle_resources(self._prepared, available, self._options.file)
        mark = open_session(self._folder.path)
        blind = cluster.check_head_sees(self._folder.path, mark)
        if blind:
            self._say(
                f"{len(blind)} of {len(available.nodes)} nodes do not see {self._folder.shown}: models of trials there "
                "are sent here when they have finished"
            )
        follows = self._prepared.space.resources.slots is None
        return RunLocation(self._folder.path, mark, self._look if follows else None, cluster.ask_for), prepared

    def _open(self, prepared: Prepared, location: RunLocation) -> RunContext:
        """Write the space, open the tables and the journal, bring them together, and say what is left to do."""
        space, path = prepared.space, self._folder.path
        origin, ours = self._origin, basis_now(self._study)
        known, reusable = self._earlier_runs(space, ours)
        self._folder.write_space(space, origin)
        write_warm_start(known, path)
        ended, retried = self._folder.ended(space), []
        if self._options.retry_failed:
            retried = [result.request for result in ended if result.state == "failed"]
            ended = [result for result in ended if result.state != "failed"]
        recorder = Recorder(space, path, mark(origin))
        if self._mirror is not None:
            self._mirror.notice = recorder.notice
        proposals = Proposals(space, path, read_warm_start(path), reusable.seeds)
        again = proposals.reconcile(ended, retried)
        recorder.clear_interrupted(ended, again, proposals.replicates)
        for message in (*recorder.repairs, *proposals.repairs):
            log.warning(message)
            self._say(message.replace(str(path), str(self._folder.shown)))
        numbers = [result.request.trial for result in ended]
        repeated, gone_on = (len(kind.intersection(numbers)) for kind in (proposals.replicates, proposals.lines))
        of_budget = len(ended) - repeated - gone_on
        remaining = max(0, space.budget.trials - of_budget)
        self._run = run = RunContext(
            space=space,
            study=self._study,
            location=location,
            proposals=proposals,
            recorder=recorder,
            remaining=remaining,
            reusable=reusable,
            basis=ours,
            interruption=self._interruption,
            keep=lambda changed: self._folder.write_space(changed, origin),
        )
        if self._options.resume:
            others = [(gone_on, "lines"), (repeated, "replicates")]
            beside = "".join(f" and {count} {name}" for count, name in others if count)
            left = f"{remaining} to go" if remaining else _work(run) or "0 to go"
            for line in other_versions(prepared.recorded or {}):
                self._say(f"other version than before: {line}")
            self._say(f"resuming {self._folder.shown}: {of_budget} trials{beside} have ended, {left}")
            if retried:
                self._say(f"{len(retried)} that had failed are run again")
            log.info("resumed; run again: %s", again)
        return run

    def _earlier_runs(self, space: Space, ours: Mapping[str, Any]) -> tuple[list[TrialResult], Reusable]:
        """Read the earlier runs that the command line names, and say how much of them is of use.

        A resumed run goes on to take over from those that it was begun with.
        """
        known = []
        for folder in self._options.warm_start:
            run = read_earlier(folder)
            check_comparable(run, space, ours)
            fits = fitting(run, space)
            self._say(f"warm start: the sampler knows {len(fits)} of {len(run.finished)} finished trials of {folder}")
            known += fits
        runs = [read_earlier(folder) for folder in self._options.reuse]
        given = {folder.resolve() for folder in self._options.reuse}
        for folder in [Path(text) for text in self._origin.get("reuse", []) if Path(text) not in given]:
            try:
                runs.append(read_earlier(folder))
            except InputError as error:
                self._say(f"no more trials are taken over: {error}")
        reusable = Reusable(space, ours, runs, self._folder.path)
        for folder, count in reusable.without_model.items():
            self._say(f"reuse: {count} finished trials of {folder} have no model there and are not taken over")
        return known, reusable

    def _greet(self, run: RunContext, dashboard: cluster.Dashboard) -> None:
        resources = run.space.resources
        each = (f"{resources.workers} workers of " if resources.workers > 1 else "") + f"{resources.cpus} CPU"
        each += f" and {resources.gpus:g} GPU" if resources.gpus else ""
        address = dashboard.address or "none (Ray could not start it)"
        self._say(f"dashboard: {address}" + (f"  ({dashboard.login})" if dashboard.login else ""))
        if dashboard.metrics:
            self._say(f"metrics, for Prometheus: {dashboard.metrics}")
        self._say(
            f"{_work(run)}; {run.space.budget.epochs} epochs each, {resources.slots} at a time with {each} each, "
            f"into {self._folder.shown}; the first begins when its workers are up"
        )

    def _conclude(self, run: RunContext, verdict: str) -> int:
        """Rebuild the results and say what came out."""
        run.recorder.sweep()
        run.recorder.forget_models(run.proposals.unneeded_models())
        if not verdict:
            run.recorder.forget_ends()
        rows = run.recorder.snapshot().rows
        states = Counter(str(row["state"]) for row in rows)
        counts = ", ".join(f"{number} {state}" for state, number in states.most_common()) or "none ended"
        rebuilt = rebuild(self._folder.path) if states["finished"] else None
        self._say(f"trials: {counts}" + (f"; ended early: {verdict}" if verdict else ""))
        if rebuilt:
            if states["failed"]:
                number, reason = next((row["trial"], row["reason"]) for row in rows if row["state"] == "failed")
                self._say(f"trial {number} failed: {reason}; once that is mended, --retry-failed runs it again")
            self._show_front(run.space, rows, again_text(rebuilt.view))
        else:
            reason = next((row["reason"] for row in rows if row["reason"]), verdict)
            self._say(f"no trial finished; the first reason: {reason}; more in {self._folder.shown / 'log.txt'}")
        if verdict:
            self._say(f"to go on:\n  {self._resume()}")
            return ENDED_EARLY
        return 0 if states["finished"] else FAILED

    def _show_front(self, space: Space, rows: list[dict[str, object]], again: str) -> None:
        summary = summarise(rows, space.objectives, space.guards, space.columns)
        shown = self._folder.shown
        if len(summary.front):
            console(self._terminal).print(front_table(summary, space, f"front of {shown}"))
            self._say_seeds(summary, space.budget.replicates)
            for line in beyond_reference(summary.front, space.objectives):
                self._say(line)
            self._say(f"hypervolume {summary.hypervolume:.4f} as selected, {again}")
            self._say(f"best configurations in {shown / 'best'}")
        else:
            self._say("no trial keeps every guard, so the front is empty; see trials.csv for which one is broken")
        self._say(f"report: {shown / 'report.html'}")
        if len(summary.front):
            knee = shown / "best" / "knee"
            place, chosen = shlex.quote(str(shown)), shlex.quote(str(knee))
            pictures = getattr(self._study, "pictures", None)
            steps = [(f"{pictures} {chosen}", "what each code draws and means")] if pictures else []
            steps.append((f"results.verify {chosen}", "trained again on fresh seeds, does it hold?"))
            steps.append((f"results.pick {place}", "other choices from the front"))
            for number, (command, purpose) in enumerate(steps):
                self._say(f"{'' if number else 'next:':7} python -m {command:{len(chosen) + 15}}   # {purpose}")
        self._say(f"again:  python -m results {shlex.quote(str(shown))}")

    def _say_seeds(self, summary: FrontSummary, wanted: int) -> None:
        """Say whether every point on the front has the seeds that were asked for."""
        seeds = summary.front.get(SEEDS_COLUMN, pd.Series(dtype=int))
        if wanted > 1:
            fewer = len(summary.front) - int((seeds >= wanted).sum())
            which = f"{fewer} of {len(summary.front)} points on the front have fewer than" if fewer else ""
            self._say(f"{which or 'every point on the front has'} {wanted} seeds; values are means over them")

    def _interrupted(self) -> int:
        """Record what was running, and say how to go on."""
        running = self._run.recorder.interrupt("interrupted by the user") if self._run else 0
        self._say(f"interrupted, {running} running trials will go on later; continue with:\n  {self._resume()}")
        return EXIT_CODE

    def _out_of_space(self, error: DiskFullError) -> int:
        """Say that the disk is full; what is on it stays as it is."""
        log.error("%s", error)
        self._say(f"{self._folder.shown}: {error}; free some space, then continue with:\n  {self._resume()}")
        return FAILED

    def _on_second_signal(self) -> None:
        """Do the same in a hurry: a second signal has come."""
        if self._run is not None:
            with suppress(RecordError):
                self._run.recorder.interrupt("interrupted by the user")
        self._say(f"stopped at once; continue with:\n  {self._resume()}")

    def _on_stuck(self, reason: str) -> None:
        """End at once, since a call of Ray's does not return."""
        if self._run is not None:
            with suppress(RecordError):
                self._run.recorder.interrupt(reason)
        self._say(f"{reason}; to go on:\n  {self._resume()}")
        self._tell_end(ENDED_EARLY)
        os._exit(ENDED_EARLY)

    def _resume(self) -> str:
        address = self._options.address or ("local" if os.environ.get("RAY_ADDRESS") else None)
        options = {"--out": self._options.out, "--mirror": self._options.mirror, "--address": address}
        given = [redacted(str(word)) for option in options.items() if option[1] is not None for word in option]
        given += ["--mirror-checkpoints"] if self._options.mirror_checkpoints else []
        return shlex.join(["python", "-m", "search.run", str(self._options.file), "--resume", *given])

    def _say(self, text: str) -> None:
        self._terminal.write(text + "\n")
        self._terminal.flush()


def _work(run: RunContext) -> str:
    """Say what is left to do; "" for nothing."""
    seeds = run.space.budget.replicates
    sweep, lines = run.space.sweep, run.proposals.more_lines
    if not run.remaining:
        left = [(lines, "lines"), (run.proposals.lacking, "replicates")]
        return ", ".join(f"{count} {name} to go" for count, name in left if count)
    on = f", of which those on the front go on for {sweep.epochs} epochs at another {sweep.parameter}" if sweep else ""
    then = f", then replicates until each point on and near the front has {seeds} seeds" if seeds > 1 else ""
    return f"{run.remaining} trials{on}{then}"


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: Any) -> int:
        return memoryview(data).nbytes


def _check_travels(study: Study, name: str) -> None:
    """Refuse a study that cannot be sent to workers.

    Raises:
        SpaceError: It cannot; names what of it.
    """
    try:
        cloudpickle.dump(study, _Nowhere())
    except Exception as error:  # pickling raises whatever an object's own methods do
        for key, value in vars(study).items():
            try:
                cloudpickle.dump(value, _Nowhere())
            except Exception as reason:
                raise SpaceError(
                    f"study: {name}: its attribute {key} cannot be sent to workers ({one_line(reason)}); make it in "
                    "`trial`"
                ) from reason
        raise SpaceError(f"study: {name}: cannot be sent to workers ({one_line(error)})") from error
