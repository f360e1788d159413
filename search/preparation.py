"""From a command line to a search that is known to be possible, before anything slow starts.

Cheap checks come first: the space file, the run folder, the study's own keys, the resources, and only then the study
with its data and every corner of the space. A mistake leaves nothing behind.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from results.records.tables import name_trouble
from results.records.text import short
from search.exceptions import one_line
from search.protocol import Study
from search.record.earlier_runs import read_points
from search.record.fetching import fetch_run
from search.record.origin import OtherOriginError, provenance, resumed
from search.record.run_folder import RunFolder, RunFolderError, check_unchanged
from search.space.assignments import assign, read_assignments
from search.space.reading import SpaceError, parse_space, read_document
from search.space.schema import RESERVED, Space
from search.studies import import_study
from search.tune.preflight import Available, PreflightError, plan
from search.watch.hooks import check_hooks
from search.watch.terminal import say

OVERRULED = ("seed", "budget", "resources")
FIRST = "start"  # counts when a run begins, as what the file says of it then
TRACKERS = ("mlflow", "wandb")
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
DRAWN = 32  # points that a study checks from inside of its space


class Options(NamedTuple):
    """What the command line says; None where it says nothing."""

    file: Path
    out: Path | None = None  # the run folder
    address: str | None = None  # the Ray cluster to join
    mirror: str | None = None  # where a copy of the run folder is kept
    mirror_checkpoints: bool = False  # copy those of trials under way as well
    resume: bool = False  # continue the run in the folder
    trials: int | None = None  # overrules budget.trials
    epochs: int | None = None  # overrules budget.epochs
    replicates: int | None = None  # overrules budget.replicates
    slots: int | None = None  # overrules resources.slots
    seed: int | None = None  # overrules seed
    assignments: Sequence[str] = ()  # `KEY=VALUE` for keys of the study's configuration
    start: Sequence[Path] = ()  # configurations whose points are tried first
    warm_start: Sequence[Path] = ()  # earlier runs whose values the sampler begins with
    reuse: Sequence[Path] = ()  # earlier runs whose finished trials are taken over where they are the same work
    deterministic: bool = False  # propose trials in batches of as many as there are slots
    accept_changed_code: bool = False  # go on although the study's code is another one than before
    retry_failed: bool = False  # run trials that failed once more
    dry_run: bool = False  # only say what would be searched

    @property
    def overruling(self) -> dict[str, dict[str, Any]]:
        """What the command line says in place of keys of the space file, by section; "" is the file itself."""
        said = {
            "budget": {"trials": self.trials, "epochs": self.epochs, "replicates": self.replicates},
            "resources": {"slots": self.slots},
            "": {"seed": self.seed},
        }
        given = {name: {k: v for k, v in keys.items() if v is not None} for name, keys in said.items()}
        return {name: keys for name, keys in given.items() if keys}


class Prepared(NamedTuple):
    """A search that has passed the cheap checks."""

    space: Space  # resolved, the command line's wishes included; resources may still be left out
    folder: RunFolder  # the run folder, not yet made
    study: type[Study]
    recorded: dict[str, Any] | None  # the provenance of the run that is resumed; None for a new one
    written: dict[str, Any]  # what the space file itself says where it may be overruled
    assigned: dict[str, Any]  # keys of the study's configuration that the command line set, by dotted name
    deterministic: bool  # trials shall be proposed in batches of as many as there are slots


def prepare(options: Options) -> Prepared:
    """Run the checks that need neither torch nor Ray.

    Raises:
        InputError: The space file or the run folder cannot be used as asked.
    """
    _check_places(options)
    document, assigned = read_document(options.file), read_assignments(options.assignments)
    space = parse_space(assign(document, assigned), options.file)
    folder = RunFolder(options.out or Path("runs") / space.name)
    before, recorded = _read_recorded(folder, options)
    if recorded is not None:
        assigned = recorded.get("set", {}) | assigned
        space = parse_space(assign(document, assigned), options.file)
    written = {key: space.document()[key] for key in OVERRULED} | {FIRST: space.document().get(FIRST, [])}
    if unset := [name for name, value in space.resources.env.items() if value is None and name not in os.environ]:
        raise SpaceError(f"{options.file}: resources.env.{unset[0]}: is null, but is not set here; set it")
    if options.start:
        space = space.model_copy(update={"start": (*read_points(options.start, space), *space.start)})
    study = import_study(space.study, options.file)
    _check_metrics(space, study, options.file)
    _check_trackers(space, options.file)
    check_hooks(space, options.file)
    _check_sweep(space, study, options.file)
    space = _resolve(space, study, options.file)
    if before is not None and recorded is not None:
        if written[FIRST] != recorded.get("written", {}).get(FIRST, written[FIRST]):
            raise SpaceError(
                f"{options.file}: start: has changed since the run in {folder.shown} began, where alone it counts; put "
                "it back, or add points by `python -m search.control` while it runs"
            )
        space = _overrule(_as_recorded(space, before, recorded.get("written", {}), written), options)
        check_unchanged(space, before, options.file, folder.shown)
        if options.slots is None and "slots" not in written["resources"]:
            space = space.model_copy(update={"resources": space.resources.model_copy(update={"slots": None})})
    else:
        space = _overrule(space, options)
    return Prepared(space, folder, study, recorded, written, assigned, options.deterministic)


def settle_resources(prepared: Prepared, available: Available, file: Path) -> Prepared:
    """Fill in the resources that were left out.

    Raises:
        PreflightError: They can never be had.
    """
    space = prepared.space
    try:
        resources = plan(space.resources, available, space.budget.trials)
    except PreflightError as error:
        raise PreflightError(f"{file}: {error}") from None
    update: dict[str, Any] = {"resources": resources}
    if prepared.deterministic and space.batch is None:
        update["batch"] = resources.max_slots if available.grows and resources.max_slots else resources.slots
    return prepared._replace(space=space.model_copy(update=update))


def build_study(prepared: Prepared, file: Path) -> Study:
    """Load what all trials share, and check every corner of the space.

    Raises:
        SpaceError: The study refuses its data or a value of a parameter.
    """
    space = prepared.space
    with _telling_a_fault_of(space.study, file):
        study = prepared.study(space.fixed)
    for _, parameters in chain(space.corners(), space.line_corners()):
        if message := _refusal(study, space, parameters, file):
            part = "parameters" if message.partition(":")[0] in space.parameters else "fixed"
            raise SpaceError(f"{file}: {part}.{message}")
    return study


def check_inside(study: Study, space: Space, file: Path) -> str:
    """Let the study check points from all over the space; return what to tell where it refuses some, "" where none.

    Raises:
        SpaceError: It refuses all of them.
    """
    from search.policy.samplers import check_sampler, drawn_points  # loads Optuna and scikit-learn

    points = drawn_points(space, DRAWN)
    if not space.sampler.is_ours:
        try:
            check_sampler(space, points)
        except ValueError as error:
            raise SpaceError(f"{file}: sampler.name: {error}") from error
    refused = [(point, found) for point in points if (found := _refusal(study, space, point, file))]
    if not refused:
        return ""
    shown = ", ".join(f"{name} {short(value)}" for name, value in refused[0][0].items())
    if len(refused) == len(points):
        raise SpaceError(
            f"{file}: the study refuses each of {DRAWN} points of the space, such as {shown}: {refused[0][1]}"
        )
    return f"{len(refused)} of {DRAWN} points of the space will fail, such as {shown}: {refused[0][1]}"


def _refusal(study: Study, space: Space, parameters: Mapping[str, Any], file: Path) -> str:
    with _telling_a_fault_of(space.study, file):
        try:
            study.check(space.configuration(parameters, space.seed))
        except ValueError as error:
            return one_line(error)
    return ""


@contextmanager
def _telling_a_fault_of(study: str, file: Path) -> Iterator[None]:
    """Turn what a study raises into one line: what it says of its keys, or where in it the fault is.

    Raises:
        SpaceError: It raised something.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        raise SpaceError(f"{file}: fixed.{one_line(error)}") from error
    except (Exception, SystemExit) as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}"
        raise SpaceError(
            f"{file}: study: {study} raises {type(error).__name__}: {one_line(error)} ({where})"
        ) from error


def prepare_study(study: Study, space: Space, folder: Path) -> list[str]:
    """Let the study do what is done once for all trials, and return what it has to say; nothing without a `prepare`.

    Raises:
        SpaceError: The study refuses.
    """
    prepare = getattr(study, "prepare", None)
    if prepare is None:
        return []
    configurations = [space.configuration(parameters, space.seed) for _, parameters in space.corners()]
    try:
        return list(prepare(configurations, folder))
    except ValueError as error:
        raise SpaceError(f"{space.study}: {one_line(error)}") from error


def run_provenance(
    prepared: Prepared, study: Study, reuse: Sequence[Path] = (), accept_changed_code: bool = False
) -> dict[str, Any]:
    """Return where the run comes from; a resumed run keeps its beginning.

    Raises:
        SpaceError: Its data have changed, or its code has and that is not accepted.
    """
    reused = [str(run.resolve()) for run in reuse]
    if prepared.recorded is None:
        origin = provenance(study, prepared.written, prepared.assigned)
    else:
        try:
            origin = resumed(prepared.recorded, study, accept_changed_code)
        except OtherOriginError as error:
            raise SpaceError(f"{prepared.folder.shown}: {error}") from None
        origin["written"] = prepared.written
        reused = list(dict.fromkeys([*origin.get("reuse", []), *reused]))
    return {**origin, **({"reuse": reused} if reused else {})}


def _check_metrics(space: Space, study: type[Study], file: Path) -> None:
    """Refuse an objective or a guard that no trial would ever measure."""
    judged = [objective.metric for objective in space.objectives]
    for metric in study.metrics:
        if trouble := "is the name of a parameter" if metric in space.parameters else name_trouble(metric, judged):
            raise SpaceError(f"{file}: study: {space.study} measures {metric!r}, which {trouble}; rename it")
    for metric in space.metrics:
        if metric not in study.metrics:
            part = "guards" if metric in {guard.metric for guard in space.guards} else "objectives"
            close = get_close_matches(metric, study.metrics, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it measures {', '.join(study.metrics)}"
            raise SpaceError(f"{file}: {part}: {space.study} does not measure {metric!r}; {hint}")


def _resolve(space: Space, study: type[Study], file: Path) -> Space:
    with _telling_a_fault_of(space.study, file):
        fixed = study.resolve(space.fixed, file.resolve().parent)
    for name in (*space.parameters, *RESERVED):
        # A study fills in the defaults of what the search sets as well; a recorded space with both would be refused.
        fixed = _without(fixed, name.split("."))
    return space.model_copy(update={"fixed": fixed})


def _without(values: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    """Return nested values without one (dotted) key."""
    inner = values.get(keys[0])
    if len(keys) > 1:
        return {**values, keys[0]: _without(inner, keys[1:])} if isinstance(inner, dict) else values
    return {key: value for key, value in values.items() if key != keys[0]}


def _as_recorded(space: Space, before: Space, then: dict[str, Any], now: dict[str, Any]) -> Space:
    """Go by what the run was begun with, except where the space file itself has been edited since.

    A run that was begun with `--trials 8` goes on to 8 trials, whatever the unchanged file says.
    """
    kept: dict[str, Any] = {"start": before.start}
    if then.get("seed") == now["seed"]:
        kept["seed"] = before.seed
    if space.batch is None:
        kept["batch"] = before.batch
    for key in ("budget", "resources"):
        section, written = getattr(space, key), then.get(key, {})
        edited = [name for name in type(section).model_fields if written.get(name) != now[key].get(name)]
        if key == "resources":  # what the file leaves open stays as it was found out
            edited = [name for name in edited if getattr(section, name) is not None]
        values = {name: getattr(section, name) for name in edited}
        kept[key] = getattr(before, key).model_copy(update=values)
    return space.model_copy(update=kept)


def _check_sweep(space: Space, study: type[Study], file: Path) -> None:
    """Refuse to sweep what the study cannot change in mid-training."""
    able = tuple(getattr(study, "continuable", ()))
    if space.sweep is not None and space.sweep.parameter not in able:
        what = f"only {', '.join(able)}" if able else "nothing"
        raise SpaceError(
            f"{file}: sweep.parameter: {space.study} can change {what} in mid-training, not {space.sweep.parameter}"
        )


def _check_trackers(space: Space, file: Path) -> None:
    for name in TRACKERS:
        if getattr(space.track, name) is not None and importlib.util.find_spec(name) is None:
            raise SpaceError(f"{file}: track.{name}: {name} is not installed; pip install {name}, or leave it out")


def _check_places(options: Options) -> None:
    """Refuse a folder, a mirror or a cluster with which a search cannot be."""
    if options.mirror is not None and not options.mirror.strip():
        raise RunFolderError("--mirror: is empty; give a URL, or leave it out")
    out = str(options.out or "")
    if URL.match(out):
        raise RunFolderError(f"--out {out}: is a URL, but the run folder is a local one; a URL gets a copy by --mirror")
    if "working_dir_files" in Path.cwd().parts and not Path(out).is_absolute():
        raise RunFolderError("--out: give an absolute folder: this job works in one that Ray removes at its end")
    if options.mirror_checkpoints and options.mirror is None:
        raise RunFolderError("--mirror-checkpoints: only counts with --mirror URL; add it, or leave this out")
    if (options.address or "").startswith("ray://"):
        raise RunFolderError(
            f"--address {options.address}: a search cannot be driven through a Ray client; start it on a node of the "
            "cluster with --address auto, or hand it in with `ray job submit`"
        )


def _read_recorded(folder: RunFolder, options: Options) -> tuple[Space, dict[str, Any]] | tuple[None, None]:
    """Return the resolved space and the provenance of the run that is resumed, fetched where only a mirror has it."""
    if not options.resume:
        folder.check_new()
        if options.retry_failed:
            raise RunFolderError("--retry-failed: only counts with --resume; a new run has no trial that failed")
        if options.accept_changed_code:
            raise RunFolderError("--accept-changed-code: only counts with --resume; leave it out")
        return None, None
    _check_resumed(options)
    if options.mirror is None or folder.holds_run:
        folder.check_old()
        return folder.read_space()
    folder.check_empty()
    if options.dry_run:
        raise RunFolderError(f"{folder.shown}: holds no run yet; without --dry-run it is fetched from the mirror")
    fetch_run(folder.path, options.mirror, say)
    space, provenance = folder.read_space()
    if lost := folder.lost_models(space):
        named = ", ".join(map(str, lost[:5])) + (", ..." if len(lost) > 5 else "")
        say(f"the mirror lacks the models of {len(lost)} trials that have finished ({named})")
    return space, provenance


def _check_resumed(options: Options) -> None:
    """Refuse options that only the beginning of a run can follow."""
    for name, given in (("start", options.start), ("warm-start", options.warm_start)):
        if given:
            raise RunFolderError(
                f"--{name} {given[0]}: only counts when a run begins; leave it out, or start a new run with --out"
            )


def _overrule(space: Space, options: Options) -> Space:
    """Put what the command line says in place of what the file says, and check all of it again."""
    document, said = space.document(), []
    for section, keys in options.overruling.items():
        part = document.setdefault(section, {}) if section else document
        part |= keys
        said += [f"--{key} {value}" for key, value in keys.items()]
    return parse_space(document, Path(" ".join([str(options.file), *(["with", *said] if said else [])])))
