"""One session on a run: from an accepted space to the last line on the terminal.

Owns the sequence: tables and journal are opened and brought together, Ray is started or joined, trials run, and
whatever happens, Ray is left and the user is told how to go on.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TextIO

import pandas as pd

import results
from results.front.front import FrontSummary, summarise
from results.front.points import SEEDS_COLUMN
from results.records.errors import RecordError
from search import cluster
from search.policy.proposals import Proposals
from search.preparation import Options, Prepared, run_provenance, settle_resources
from search.protocol import Study
from search.record.disk import DiskFullError
from search.record.earlier_runs import (
    Reusable,
    basis,
    basis_now,
    check_comparable,
    fitting,
    read_earlier,
    read_warm_start,
    write_warm_start,
)
from search.record.outbox import open_session
from search.record.recorder import Recorder
from search.trials import TrialResult
from search.tune.fit import RunContext, RunLocation, run_search
from search.tune.preflight import Available, local_resources
from search.watch.gauges import Gauges
from search.watch.interruption import EXIT_CODE, Interruption
from search.watch.monitor import Monitor, console, front_table
from search.worker.sources import sources

log = logging.getLogger(__name__)


class Session:
    """One call of the command line, on a run folder whose lock is held."""

    def __init__(self, prepared: Prepared, study: Study, options: Options, terminal: TextIO):
        """Prepare a session; nothing starts yet.

        Args:
            prepared: Has passed the cheap checks.
            study: What is searched.
            options: The command line.
            terminal: Where to show what happens.
        """
        self._prepared = prepared
        self._study = study
        self._options = options
        self._terminal = terminal
        self._folder = prepared.folder
        self._recorder: Recorder | None = None
        self._follows, self._mark = False, ""
        self._interruption = Interruption(self._on_second_signal)

    def run(self) -> int:
        """Search until the budget is spent, and return the exit code."""
        try:
            if self._options.address is None:
                self._begin()
                if self._remaining == 0 and self._proposals.lacking == 0:
                    return self._conclude("")
                self._say("starting Ray ...")
                dashboard = cluster.start_local(local_resources())
            else:
                dashboard = cluster.join(self._options.address, sources(type(self._study)))
                self._settle(self._look())
                self._begin()
            self._interruption.install()
            self._greet(dashboard)
            verdict = self._search()
        except DiskFullError as error:
            return self._out_of_space(error)
        except (KeyboardInterrupt, SystemExit):  # while Ray starts, its own handler of SIGTERM exits
            return self._interrupted()
        finally:
            cluster.leave()
        return self._conclude(verdict)

    def _begin(self) -> None:
        """Write the space, open the tables and the journal, and find out what is left to do."""
        self._space = self._prepared.space
        origin = run_provenance(self._prepared, self._study)
        known, self._reusable = self._earlier_runs(basis(origin))
        self._folder.write_space(self._space, origin)
        write_warm_start(known, self._folder.path)
        ended = self._folder.ended(self._space)
        recorder = Recorder(self._space, self._folder.path)
        self._proposals = Proposals(
            self._space, self._folder.path, read_warm_start(self._folder.path), self._reusable.seeds
        )
        again = self._proposals.reconcile(ended)
        replicates = self._proposals.replicates
        recorder.clear_interrupted(ended, again, replicates)
        for message in (*recorder.repairs, *self._proposals.repairs):
            log.warning(message)
            self._say(message.replace(str(self._folder.path), str(self._folder.shown)))
        self._recorder = recorder
        repeated = sum(result.request.trial in replicates for result in ended)
        self._remaining = max(0, self._space.budget.trials - (len(ended) - repeated))
        if self._options.resume:
            beside = f" and {repeated} replicates" if repeated else ""
            left = f"{self._remaining} to go" if self._remaining or not self._proposals.lacking else self._work()
            self._say(f"resuming {self._folder.shown}: {len(ended) - repeated} trials{beside} have ended, {left}")
            log.info("resumed; run again: %s", again)

    def _work(self) -> str:
        """Say what is left to do."""
        seeds = self._space.budget.replicates
        if not self._remaining:
            return f"{self._proposals.lacking} replicates to go"
        then = f", then replicates until each point on and near the front has {seeds} seeds" if seeds > 1 else ""
        return f"{self._remaining} trials{then}"

    def _earlier_runs(self, ours: Mapping[str, Any]) -> tuple[list[TrialResult], Reusable]:
        """Read the earlier runs that the command line names, and say how much of them is of use."""
        known = []
        for folder in self._options.warm_start:
            run = read_earlier(folder)
            check_comparable(run, self._space, ours)
            fits = fitting(run, self._space)
            self._say(f"warm start: the sampler knows {len(fits)} of {len(run.finished)} finished trials of {folder}")
            known += fits
        runs = [read_earlier(folder) for folder in self._options.reuse]
        return known, Reusable(self._space, ours, runs, self._folder.path)

    def _look(self) -> Available:
        """Find out what the cluster that was joined has now."""
        return cluster.cluster_resources(self._options.address or "")

    def _settle(self, available: Available) -> None:
        """Find out the resources on a cluster that was joined, and which of its nodes see the run folder."""
        self._follows = self._prepared.space.resources.slots is None
        self._prepared = settle_resources(self._prepared, available, self._options.file)
        self._mark = open_session(self._folder.path)
        blind = cluster.check_head_sees(self._folder.path, self._mark)
        if blind:
            self._say(
                f"{len(blind)} of {len(available.nodes)} nodes do not see {self._folder.shown}: models of trials there "
                "are sent here when they have finished"
            )

    def _search(self) -> str:
        assert self._recorder is not None
        with Monitor(self._space, self._recorder, self._terminal), Gauges(self._space, self._recorder):
            return run_search(
                RunContext(
                    space=self._space,
                    study=self._study,
                    location=RunLocation(self._folder.path, self._mark, self._look if self._follows else None),
                    proposals=self._proposals,
                    recorder=self._recorder,
                    remaining=self._remaining,
                    reusable=self._reusable,
                    basis=basis_now(self._study),
                    interruption=self._interruption,
                )
            )

    def _greet(self, dashboard: cluster.Dashboard) -> None:
        resources = self._space.resources
        each = (f"{resources.workers} workers of " if resources.workers > 1 else "") + f"{resources.cpus} CPU"
        each += f" and {resources.gpus:g} GPU" if resources.gpus else ""
        address = dashboard.address or "none (Ray could not start it)"
        self._say(f"dashboard: {address}" + (f"  ({dashboard.login})" if dashboard.login else ""))
        if dashboard.metrics:
            self._say(f"metrics, for Prometheus: {dashboard.metrics}")
        self._say(
            f"{self._work()}; {self._space.budget.epochs} epochs each, {resources.slots} at a time with {each} each, "
            f"into {self._folder.shown}; the first begins when its workers are up"
        )

    def _conclude(self, verdict: str) -> int:
        """Rebuild the results and say what came out."""
        assert self._recorder is not None
        self._recorder.sweep()
        rows = self._recorder.snapshot().rows
        states = Counter(str(row["state"]) for row in rows)
        counts = ", ".join(f"{number} {state}" for state, number in states.most_common()) or "none ended"
        self._say(f"trials: {counts}" + (f"; ended early: {verdict}" if verdict else ""))
        if not states["finished"]:
            reason = next((row["reason"] for row in rows if row["reason"]), verdict)
            self._say(f"no trial finished; the first reason: {reason}; more in {self._folder.shown / 'log.txt'}")
            return 1
        results.rebuild(self._folder.path)
        self._show_front(rows)
        return 0

    def _show_front(self, rows: list[dict[str, object]]) -> None:
        summary = summarise(rows, self._space.objectives, self._space.guards, tuple(self._space.parameters))
        shown = self._folder.shown
        if len(summary.front):
            console(self._terminal).print(front_table(summary, self._space, f"front of {shown}"))
            self._say_seeds(summary)
            self._say(f"hypervolume {summary.hypervolume:.4f}; best configurations in {shown / 'best'}")
        else:
            self._say("no trial keeps every guard, so the front is empty; see trials.csv for which one is broken")
        self._say(f"report: {shown / 'report.html'}")
        if len(summary.front):
            knee = shown / "best" / "knee"
            for begin, command, purpose in (
                ("next:", f"results.atlas {knee}", "what each code draws and means"),
                ("", f"results.verify {knee}", "trained again on fresh seeds, does it hold?"),
                ("", f"results.pick {shown}", "other choices from the front"),
            ):
                self._say(f"{begin:7} python -m {command:{len(str(knee)) + 15}}   # {purpose}")
        self._say(f"again:  python -m results {shown}")

    def _say_seeds(self, summary: FrontSummary) -> None:
        """Say whether every point on the front has the seeds that were asked for."""
        wanted, seeds = self._space.budget.replicates, summary.front.get(SEEDS_COLUMN, pd.Series(dtype=int))
        if wanted > 1:
            fewer = len(summary.front) - int((seeds >= wanted).sum())
            which = f"{fewer} of {len(summary.front)} points on the front have fewer than" if fewer else ""
            self._say(f"{which or 'every point on the front has'} {wanted} seeds; values are means over them")

    def _interrupted(self) -> int:
        """Record what was running, and say how to go on."""
        running = self._recorder.interrupt("interrupted by the user") if self._recorder else 0
        self._say(f"interrupted, {running} running trials will go on later; continue with:\n  {self._resume()}")
        return EXIT_CODE

    def _out_of_space(self, error: DiskFullError) -> int:
        """Say that the disk is full; what is on it stays as it is."""
        log.error("%s", error)
        self._say(f"{self._folder.shown}: {error}; free some space, then continue with:\n  {self._resume()}")
        return 1

    def _on_second_signal(self) -> None:
        """Do the same in a hurry: a second signal has come."""
        if self._recorder is not None:
            with suppress(RecordError):
                self._recorder.interrupt("interrupted by the user")
        self._say(f"stopped at once; continue with:\n  {self._resume()}")

    def _resume(self) -> str:
        command = f"python -m search.run {self._options.file} --resume"
        command += f" --out {self._options.out}" if self._options.out else ""
        command += f" --mirror {self._options.mirror}" if self._options.mirror else ""
        return command + (f" --address {self._options.address}" if self._options.address else "")

    def _say(self, text: str) -> None:
        self._terminal.write(text + "\n")
        self._terminal.flush()
