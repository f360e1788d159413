"""The command line of the search: `python -m search.run SPACE.yaml`.

Exit codes: 0 the budget is spent, 1 the search failed, 2 the user has to correct something, 130 it was interrupted.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from results.records.errors import RecordError
from search import cluster
from search.exceptions import InputError, one_line
from search.preparation import Options, Prepared, build_study, import_folders, prepare, settle_resources
from search.protocol import Study
from search.record.mirror import Mirror
from search.record.run_folder import LOG_FILE
from search.tune.preflight import local_resources
from search.watch.interruption import EXIT_CODE as INTERRUPTED
from search.watch.terminal import output_to_log

FAILED, MISTAKE = 1, 2

log = logging.getLogger(__name__)


class SearchFailedError(RuntimeError):
    """The search came to nothing; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Search, and return the exit code."""
    options = _options(arguments)
    try:
        prepared = prepare(options)
        if options.address is None:
            prepared = settle_resources(prepared, local_resources(), options.file)
        mirror = Mirror(prepared.folder.path, options.mirror) if options.mirror else None
        cluster.prepare_environment(prepared.space.resources.slots, import_folders(options.file))
        print(f"{prepared.space.name}: loading {prepared.space.study} ...", flush=True)
        study = build_study(prepared, options.file)
        if mirror is None:
            return _search(prepared, study, options)
        with mirror:
            code = _search(prepared, study, options)
        print(f"mirror: {mirror.trouble or options.mirror}", flush=True)
        return code
    except (InputError, RecordError) as error:
        print(str(error), file=sys.stderr)
        return MISTAKE
    except (cluster.ClusterError, SearchFailedError) as error:
        print(str(error), file=sys.stderr)
        return MISTAKE if options.address and isinstance(error, cluster.ClusterError) else FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _search(prepared: Prepared, study: Study, options: Options) -> int:
    """Search with all output in the log but the session's own."""
    from search.session import Session  # loads Ray, which reads the environment

    folder = prepared.folder
    folder.acquire()
    with output_to_log(folder.path / LOG_FILE) as terminal:
        try:
            return Session(prepared, study, options, terminal).run()
        except (InputError, RecordError, cluster.ClusterError):
            log.exception("the search did not begin")
            raise
        except Exception as error:
            log.exception("the search failed")
            raise SearchFailedError(
                f"the search failed: {type(error).__name__}: {one_line(error)[:300]}; see {folder.shown / LOG_FILE}"
            ) from error
        finally:
            folder.discard_if_unused()


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m search.run", description="Search a space; everything lands in one run folder."
    )
    parser.add_argument("file", type=Path, metavar="SPACE.yaml", help="what is searched")
    parser.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: runs/<name of the space>)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in the run folder")
    parser.add_argument("--address", help="Ray cluster to use, such as auto (default: one is started here)")
    parser.add_argument("--mirror", metavar="URL", help="keep a copy of the run folder there, such as s3://bucket/run")
    parser.add_argument("--trials", type=_count, metavar="N", help="instead of budget.trials")
    parser.add_argument("--epochs", type=_count, metavar="N", help="instead of budget.epochs")
    parser.add_argument(
        "--replicates",
        type=_count,
        metavar="N",
        help="seeds that each point on and near the front gets in the end, instead of budget.replicates",
    )
    parser.add_argument("--slots", type=_count, metavar="N", help="trials at a time, instead of resources.slots")
    parser.add_argument("--seed", type=int, metavar="N", help="instead of the space's seed")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="assignments",
        metavar="KEY=VALUE",
        help="fix a key of the study's configuration, such as codebook_size=16; paths are seen from here; repeatable",
    )
    parser.add_argument(
        "--deterministic",
        action="store_true",
        help="propose trials in batches, one per slot, so that nothing depends on which of them ends first",
    )
    for option, what in (
        ("--start", "try the point of this configuration first, such as runs/old/best/knee"),
        ("--warm-start", "let the sampler begin with the values of an earlier run"),
        ("--reuse", "take over finished trials of an earlier run that are the same work"),
    ):
        metavar = "CONFIG.yaml" if option == "--start" else "RUN"
        parser.add_argument(option, action="append", default=[], type=Path, metavar=metavar, help=f"{what}; repeatable")
    return Options(**vars(parser.parse_args(arguments)))


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, found {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
