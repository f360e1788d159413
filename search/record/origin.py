"""What results come from besides their configuration: code, data and versions, recorded once and checked on resuming.

The code is that of the study: its top-level package or its module, and all that is imported from there, wherever in a
file, and lies outside of the Python installation. The search's own packages do not count; they change no result.
"""

from __future__ import annotations

import hashlib
import math
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from search.exceptions import InputError, redacted
from search.protocol import Study
from search.record.sources import imported, source_files

PACKAGES = ("ray", "optuna", "torch", "numpy", "pandas", "transformers", "aeon")
CLOSE = 1e-6  # relative; what a study computes of its data differs by less between machines
SHOWN = 12  # digits of a digest that stand in tables and messages


class OtherOriginError(InputError):
    """A run that would mix results of different data or code; the message says what to do."""


def provenance(study: Study, written: Mapping[str, Any], assigned: Mapping[str, Any]) -> dict[str, Any]:
    """Return where a new run comes from.

    Args:
        study: What all trials share, loaded.
        written: Sections of the space file that the command line or the machine may have overruled.
        assigned: What the command line set, by dotted key; a run that is resumed sets it again.
    """
    return {
        "created": _today(),
        "command": shlex.join(["python", "-m", "search.run", *map(redacted, sys.argv[1:])]),
        **_environment(),
        "git": _git(),
        **basis_now(study),
        "written": dict(written),
        **({"set": dict(assigned)} if assigned else {}),
    }


def resumed(recorded: Mapping[str, Any], study: Study, accept_changed_code: bool = False) -> dict[str, Any]:
    """Return the provenance of a run that goes on now.

    Where code or versions are others than at its last beginning, they are noted under `changed`.

    Raises:
        OtherOriginError: The data differ, or the code does and that is not accepted.
    """
    now, then = basis_now(study), basis(recorded)
    ours, theirs = now["study"], then["study"]
    if not isinstance(theirs, Mapping):  # earlier versions recorded nothing
        theirs = ours
    if accept_changed_code:  # changed code may tell of more or of less
        both = ours.keys() & theirs.keys()
        ours, theirs = ({key: of[key] for key in both} for of in (ours, theirs))
    for key, is_now, was in _differing(ours, theirs):
        raise OtherOriginError(
            f"the data of this run have changed: {key} is {is_now!r:.60}, and was {was!r:.60}; put them back, or "
            "start a new run with --out"
        )
    code_changed = then["code"] is not None and then["code"] != now["code"]
    if code_changed and not accept_changed_code:
        raise OtherOriginError(
            f"the code of the study has changed since this run was begun ({now['code'][:SHOWN]} now, "
            f"{then['code'][:SHOWN]} then): put it back, start a new run with --out, or go on with "
            "--accept-changed-code, which marks the trials of the new code"
        )
    before = {key: value for key, value in _last(recorded).items() if key in ("python", "versions")}
    if not code_changed and before == _environment():
        return dict(recorded)
    change = {"created": _today(), **_environment(), "git": _git(), "code": now["code"]}
    return {**recorded, "changed": [*recorded.get("changed", []), change]}


def other_versions(recorded: Mapping[str, Any]) -> list[str]:
    """Return what has another version now than a run was last begun with, such as `torch 2.13.1, was 2.13.0`."""
    then, now = _last(recorded), _environment()
    if "versions" not in then:
        return []
    was, found = ({"Python": of.get("python"), **of.get("versions", {})} for of in (then, now))
    return [
        f"{name} {found.get(name) or 'not installed'}, was {was.get(name) or 'not installed'}"
        for name in {**was, **found}
        if found.get(name) != was.get(name)
    ]


def basis(provenance: Mapping[str, Any], code: str | None = None) -> dict[str, Any]:
    """Return what results depend on besides the configuration, of a run's provenance.

    Its code is that for which a mark in the column `code` of `trials.csv` stands, "" for the one of the run's
    beginning; None for what the run was last begun with.
    """
    found = (_last(provenance) if code is None else provenance).get("code")
    if code:
        digests = [change["code"] for change in provenance.get("changed", ()) if change["code"].startswith(code)]
        found = digests[0] if digests else None
    return {"code": found, "study": provenance.get("study")}


def basis_now(study: Study) -> dict[str, Any]:
    """Return what the results of a study depend on besides the configuration, as it is now."""
    return {"code": code_fingerprint(type(study)), "study": study.provenance()}


def mark(provenance: Mapping[str, Any]) -> str:
    """Return what the column `code` says of trials from now on: "" while the code is that of the run's beginning."""
    code = _last(provenance).get("code")
    return code[:SHOWN] if code and code != provenance.get("code") else ""


def code_fingerprint(study: type) -> str:
    """Return a digest of the sources that a study's class is made of."""
    digest = hashlib.sha256()
    for place in imported(study.__module__.partition(".")[0]):
        root = place if place.is_dir() else place.parent
        for file in source_files(place):
            digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _last(provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the run was last begun with."""
    return provenance["changed"][-1] if provenance.get("changed") else provenance


def _differing(now: Any, then: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield each key of nested values that differs, with both values."""
    if isinstance(now, Mapping) and isinstance(then, Mapping):
        for name in {**then, **now}:
            yield from _differing(now.get(name), then.get(name), f"{key}.{name}" if key else str(name))
    elif isinstance(now, list | tuple) and isinstance(then, list | tuple) and len(now) == len(then):
        for number, pair in enumerate(zip(now, then, strict=True)):
            yield from _differing(*pair, f"{key}.{number}")
    elif isinstance(now, float) and isinstance(then, int | float):
        if not (math.isclose(now, then, rel_tol=CLOSE, abs_tol=CLOSE) or (math.isnan(now) and math.isnan(then))):
            yield key, now, then
    elif now != then:
        yield key, now, then


def _today() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _environment() -> dict[str, Any]:
    found = {name: known for name in PACKAGES if (known := _version(name))}
    return {"python": sys.version.split()[0], "versions": found}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git() -> str:
    """Return the commit of the code, "" where there is none."""
    command = ["git", "-C", os.fspath(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
