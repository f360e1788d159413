"""The command line of the search: `python -m search.run SPACE.yaml`.

Exit codes: 0 the budget is spent, 1 the search failed, 2 the user has to correct something, 3 it ended before its
budget was spent and can go on, 130 it was interrupted.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from results.command import EXIT_BAD_INPUT, PATH, fail, run_command
from results.exceptions import RecordError
from results.records.text import short
from search import cluster
from search.exceptions import FAILED, InputError, one_line, redacted
from search.preparation import (
    Options,
    Prepared,
    build_study,
    check_inside,
    prepare,
    run_provenance,
    settle_resources,
)
from search.protocol import Study
from search.record.earlier_runs import check_comparable, read_earlier
from search.record.mirror import Mirror
from search.record.origin import basis_now
from search.record.run_folder import LOG_FILE
from search.studies import import_folders
from search.tune.preflight import local_resources
from search.watch.terminal import output_to_log, say
from search.worker.nursery import nursery

FIRST_POINTS = 5

log = logging.getLogger(__name__)


class SearchFailedError(RuntimeError):
    """The search came to nothing; the message says why."""


COUNT = click.IntRange(min=1)


@click.command("python -m search.run")
@click.argument("file", type=PATH, metavar="SPACE.yaml")
@click.option("--out", type=PATH, metavar="DIR", help="run folder (default: runs/<name of the space>)")
@click.option("--resume", is_flag=True, help="go on with the run in the run folder")
@click.option(
    "--address",
    envvar="RAY_ADDRESS",
    help="Ray cluster to use, such as auto; local starts one here (default: RAY_ADDRESS, else local)",
)
@click.option(
    "--mirror",
    metavar="URL",
    help="keep a copy of the run folder there, such as s3://bucket/run; with --resume, fetch the run from there where "
    "the run folder is gone",
)
@click.option(
    "--mirror-checkpoints",
    is_flag=True,
    help="copy the checkpoints of trials under way to the mirror as well, so that they go on on another machine",
)
@click.option("--trials", type=COUNT, metavar="N", help="instead of budget.trials")
@click.option("--epochs", type=COUNT, metavar="N", help="instead of budget.epochs")
@click.option(
    "--replicates",
    type=COUNT,
    metavar="N",
    help="seeds that each point on and near the front gets in the end, instead of budget.replicates",
)
@click.option("--slots", type=COUNT, metavar="N", help="trials at a time, instead of resources.slots")
@click.option("--seed", type=int, metavar="N", help="instead of the space's seed")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="fix a key of the study's configuration, such as codebook_size=16; paths are seen from here; repeatable",
)
@click.option(
    "--retry-failed",
    is_flag=True,
    help="resume, and run trials that failed once more, at the same points and with the same seeds",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="make every check, say what would be searched and the first points, and start nothing",
)
@click.option(
    "--accept-changed-code",
    is_flag=True,
    help="resume although the study's code has changed; trials from now on are marked in trials.csv",
)
@click.option(
    "--deterministic",
    is_flag=True,
    help="propose trials in batches, one per slot, so that nothing depends on which of them ends first",
)
@click.option(
    "--start",
    multiple=True,
    type=PATH,
    metavar="CONFIG.yaml",
    help="try the point of this configuration first, such as runs/old/best/knee; repeatable",
)
@click.option(
    "--warm-start",
    multiple=True,
    type=PATH,
    metavar="RUN",
    help="let the sampler begin with the values of an earlier run; repeatable",
)
@click.option(
    "--reuse",
    multiple=True,
    type=PATH,
    metavar="RUN",
    help="take over finished trials of an earlier run that are the same work; repeatable",
)
def search(**options: Any) -> int:
    """Search a space; everything lands in one run folder."""
    address = options["address"] or ""
    of_dashboard = address == os.environ.get("RAY_ADDRESS") and address.startswith("http")  # for `ray job submit`
    if address in ("", "local") or of_dashboard:
        options["address"] = None
    return run_search(Options(**options))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    return run_command(search, arguments, bad_input=(InputError, RecordError), stopped="interrupted")


def run_search(options: Options) -> int:
    """Search, and return the exit code.

    Raises:
        InputError: The space, the run folder or an option cannot be used as asked.
    """
    try:
        prepared = prepare(options)
        if options.address is None:
            available = local_resources()
            prepared = settle_resources(prepared, available, options.file)
            if available.unused:
                say(available.unused)
        mirror = None
        if options.mirror:
            mirror = Mirror(prepared.folder.path, options.mirror, checkpoints=options.mirror_checkpoints)
            mirror.check((prepared.recorded or {}).get("created", ""))
        cluster.prepare_environment(prepared.space.resources.slots, import_folders(options.file))
        with _nursery(prepared, options):
            return _begin(prepared, options, mirror)
    except (cluster.ClusterError, SearchFailedError) as error:
        fail(error)
        return EXIT_BAD_INPUT if options.address and isinstance(error, cluster.ClusterError) else FAILED


def _nursery(prepared: Prepared, options: Options) -> AbstractContextManager[None]:
    """Return a nursery for the workers of a Ray that this search will start; without one where it starts none."""
    if options.address is not None or options.dry_run:
        return nullcontext()
    return nursery(prepared.space.resources.planned.cpus)


def _begin(prepared: Prepared, options: Options, mirror: Mirror | None) -> int:
    """Load the study, let it look at the space, and search."""
    say(f"{prepared.space.name}: loading {prepared.space.study} ...")
    study = build_study(prepared, options.file)
    if remark := check_inside(study, prepared.space, options.file):
        say(remark)
    origin = run_provenance(prepared, study, options.reuse, options.accept_changed_code)
    if options.dry_run:
        _check_beginning(prepared, study, options)
        return _tell(prepared, options)
    if mirror is None:
        return _search(prepared, study, origin, options)
    with mirror:
        code = _search(prepared, study, origin, options, mirror)
    say(f"mirror: {mirror.trouble or redacted(options.mirror or '')}")
    return code


def _check_beginning(prepared: Prepared, study: Study, options: Options) -> None:
    """Make the checks that a search makes when it begins, between the last of `prepare` and Ray."""
    from search.tune.tracking import check_trackers  # loads Ray

    check_trackers(prepared.space, options.file)
    ours = basis_now(study)
    for folder in options.warm_start:
        check_comparable(read_earlier(folder), prepared.space, ours)
    for folder in options.reuse:
        read_earlier(folder)


def _tell(prepared: Prepared, options: Options) -> int:
    """Say what would be searched; nothing is made and nothing starts."""
    from search.policy.samplers import first_points  # loads Optuna and scikit-learn

    space, r = prepared.space, prepared.space.resources.planned
    epochs = space.budget.trials * space.budget.epochs
    say(f"{space.budget.trials} trials of {space.budget.epochs} epochs ({epochs:,}) into {prepared.folder.shown}")
    if options.address is None:
        workers = f"{r.workers} workers of " if r.workers > 1 else ""
        gpus = f" and {r.gpus:g} GPU" if r.gpus else ""
        say(f"{r.slots} at a time with {workers}{r.cpus} CPU{gpus} each")
    if prepared.recorded is not None:
        states = Counter(result.state for result in prepared.folder.ended(space))
        counts = ", ".join(f"{number} {state}" for state, number in states.most_common()) or "none has ended"
        say(f"goes on from there: {counts}, lines and replicates included; none of these is trained again")
        return 0
    say("the first points:")
    for point in first_points(space, min(FIRST_POINTS, space.budget.trials)):
        say("  " + ", ".join(f"{name} {short(value)}" for name, value in point.items()))
    return 0


def _search(
    prepared: Prepared, study: Study, origin: Mapping[str, Any], options: Options, mirror: Mirror | None = None
) -> int:
    """Search with all output in the log but the session's own."""
    from search.session import Session  # loads Ray, which reads the environment

    folder = prepared.folder
    folder.acquire()
    with output_to_log(folder.path / LOG_FILE) as terminal:
        try:
            return Session(prepared, study, origin, options, terminal, mirror).run()
        except (InputError, RecordError, cluster.ClusterError):
            log.exception("the search did not begin")
            raise
        except Exception as error:
            log.exception("the search failed")
            raise SearchFailedError(
                f"the search failed: {type(error).__name__}: {one_line(error)[:300]}; see {folder.shown / LOG_FILE}"
            ) from error
        finally:
            folder.release()


if __name__ == "__main__":
    sys.exit(main())
