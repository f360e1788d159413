"""Write `best/`: the knee, the end of each objective and what users pick, each a folder that is ready to take home.

A folder holds the configuration, the checkpoint, the vocabulary, the tables of the trial and a model card. It belongs
to the export as far as `export.json` lists its files: these are replaced, whatever else lies there stays.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from results.exceptions import RecordError
from results.export.card import Chosen, model_card
from results.export.record import RECORD_FILE, ExportRecord, read_record, sha256
from results.records.files import beside, read_mapping, remove_file, write_atomically
from results.records.names import leads_out, own_folder
from results.records.run import Run, metric_names
from results.records.text import cell, short

BEST_FOLDER = "best"
TRIAL_FOLDER = "trials"
CONFIGURATION_FILE, CHECKPOINT_FILE = "configuration.yaml", "model.safetensors"
VOCABULARY_FILE, CONFIG_FILE, CARD_FILE = "vocabulary.yaml", "config.json", "README.md"
TABLES = (".csv", ".json")  # whatever a study writes beside its checkpoint; there may be none


class Written(NamedTuple):
    """What an export wrote, and one line per file that it could not."""

    paths: tuple[Path, ...]
    warnings: tuple[str, ...]


def export_best(run: Run, choices: Sequence[Chosen]) -> Written:
    """Write the named points of a front to `best/`; what an earlier export of the front left there goes."""
    paths: list[Path] = []
    warnings: list[str] = []
    best = run.folder / BEST_FOLDER
    try:
        own_folder(best)
    except RecordError as error:
        return Written((), (beside(run.folder, str(error)),))
    for chosen in choices:
        try:
            written = export_point(run, chosen, "front")
        except RecordError as error:  # a folder of the user's is no reason to end a search without its report
            warnings.append(str(error))
            continue
        paths += written.paths
        warnings += written.warnings
    _remove_stale(best, {chosen.name for chosen in choices})
    return Written(tuple(paths), tuple(warnings))


def export_point(run: Run, chosen: Chosen, chosen_from: Literal["front", "pick"]) -> Written:
    """Write one folder of `best/`.

    Raises:
        RecordError: Something that no export wrote stands in its place.
    """
    target = run.folder / BEST_FOLDER / chosen.name
    try:
        own_folder(target.parent)
        earlier = _own(target)
    except RecordError as error:
        raise RecordError(beside(run.folder, str(error))) from None
    contents, warnings = _contents(run, chosen, target)
    files = {name: sha256(content) for name, content in contents.items()}
    record = ExportRecord(
        run=run.title,
        name=chosen.name,
        chosen_from=chosen_from,
        what=chosen.what,
        trial=str(chosen.point["trial"]),
        trials=tuple(map(str, chosen.seeds["trial"])),
        files=files,
    )
    own_folder(target)
    _remove(target, set(earlier.files if earlier else ()) - set(files))
    # First, so that a folder that a crash left half written is known as the export's, and its files are checked.
    write_atomically(target / RECORD_FILE, record.text())
    for name, content in contents.items():
        write_atomically(target / name, content)
    return Written(tuple(target / name for name in (*files, RECORD_FILE)), tuple(warnings))


def _own(target: Path) -> ExportRecord | None:
    """Return the record of an earlier export, None for a place that is free."""
    if not os.path.lexists(target):
        return None
    earlier = read_record(own_folder(target))
    if earlier is None and any(target.iterdir()):
        raise RecordError(f"{target}: was not written by an export (it has no {RECORD_FILE}); move it away and rebuild")
    return earlier


def _contents(run: Run, chosen: Chosen, target: Path) -> tuple[dict[str, Path | bytes], list[str]]:
    """Return what is written, by file name, and a line for each file that the trial lacks."""
    source = run.folder / TRIAL_FOLDER / str(chosen.point["trial"])
    contents: dict[str, Path | bytes] = {}
    warnings = []
    configuration, checkpoint = source / CONFIGURATION_FILE, source / CHECKPOINT_FILE
    tables = [path for path in sorted(source.glob("*")) if path.suffix in TABLES and path.is_file()]
    absent = _absent(run, (configuration, checkpoint, *tables))
    if configuration not in absent:
        written = configuration.read_bytes()
        contents[CONFIGURATION_FILE] = _header(run, chosen).encode() + written
        vocabulary = None
        with suppress(RecordError):  # whoever trains it will hear what is wrong with it
            vocabulary = read_mapping(written, configuration, "").get("vocabulary")
        if isinstance(vocabulary, dict) and vocabulary:
            dumped = yaml.safe_dump(vocabulary, sort_keys=False, allow_unicode=True, width=120)
            contents[VOCABULARY_FILE] = dumped.encode()
    if checkpoint not in absent:
        contents[CHECKPOINT_FILE] = checkpoint
        if about := checkpoint_about(checkpoint):  # as the checkpoint's own package writes it
            config = json.dumps({"about": about}, indent=2, ensure_ascii=False, sort_keys=True)
            contents[CONFIG_FILE] = f"{config}\n".encode()
    for path, why in absent.items():
        place = run.shown(target / path.name)
        again = path == checkpoint and configuration not in absent
        remedy = train_again(run, Path(run.shown(source))) if again else ""
        warnings.append(f"{run.shown(path)} {why}: {place} was not written{remedy}")
    contents |= {path.name: path for path in tables if path not in absent and path.name != RECORD_FILE}
    contents[CARD_FILE] = model_card(run, chosen, (*contents, CARD_FILE, RECORD_FILE)).encode()
    return contents, warnings


def _absent(run: Run, paths: Sequence[Path]) -> dict[Path, str]:
    """Return which files of a trial cannot be taken home, and why."""
    absent = {path: "is missing" for path in paths if not path.is_file()}
    for path in paths:
        if path not in absent and leads_out(path, run.folder):  # in a stranger's folder, to any file of the user's
            absent[path] = "is a link that leads out of the run folder"
    return absent


def train_again(run: Run, trial: Path) -> str:
    """Say how the model of a trial is made again in its place, as its search did; "" of a study with other models."""
    folder = shlex.quote(str(trial))
    ours = run.space.study.partition(".")[0] == "model"
    return f"; train it again with python -m model.train {folder} --out {folder}" if ours else ""


def checkpoint_about(path: Path) -> dict[str, Any]:
    """Return what a safetensors file says of itself under `about`; nothing where it does not, or is none.

    The file begins with the length of its header, 8 bytes, little-endian, and the header as JSON.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size:
                return {}
            about = json.loads(json.loads(file.read(length)).get("__metadata__", {}).get("about", "{}"))
    except (OSError, ValueError, AttributeError):
        return {}
    return about if isinstance(about, dict) else {}


def _header(run: Run, chosen: Chosen) -> str:
    row = chosen.point
    lines = [f"# {run.title}: {chosen.what}, trial {row['trial']}."]
    several = len(chosen.seeds) > 1
    if several:
        lines.append(f"# Of {len(chosen.seeds)} seeds of this point it is the nearest to their means, which are:")
    for metric in metric_names(run.trials, run.space):
        std = row.get(f"{metric}_std") if several else None
        lines.append(f"# {metric}: {cell(row[metric])}" + (f" ± {short(std)}" if std is not None else ""))
    return "\n".join(lines) + "\n"


def _remove(folder: Path, names: set[str]) -> None:
    for name in names:
        remove_file(folder / name)
        remove_file(folder / f".{name}.part")


def _remove_stale(best: Path, current: set[str]) -> None:
    """Remove what earlier exports of the front wrote under names that the front no longer has."""
    others = [path for path in best.iterdir() if path.is_dir() and path.name not in current]
    for folder in (path for path in others if not path.is_symlink()):
        try:
            record = read_record(folder)
        except RecordError:
            continue
        if record is not None and record.chosen_from == "front":
            _remove(folder, {*record.files, RECORD_FILE})
            if not any(folder.iterdir()):
                folder.rmdir()
