"""Check whether the records of a run agree with one another: front.csv with trials.csv, an export with its trial."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd

from results.aggregate import FRONT_FILE
from results.exceptions import RecordError
from results.export.best import BEST_FOLDER, CHECKPOINT_FILE, CONFIGURATION_FILE, TRIAL_FOLDER
from results.export.choices import run_points
from results.export.record import RECORD_FILE, ExportRecord, changed_files, read_record, sha256
from results.front.front import best_points, front
from results.front.noise import pooled_spread
from results.front.overview import overview
from results.front.seeds import Seeds
from results.records.files import frame_text
from results.records.objectives import metric_values
from results.records.run import Run
from results.records.space import SPACE_FILE
from results.verify.prediction_interval import Scatter


def run_of(folder: Path) -> Path:
    """Return the run folder that an exported folder belongs to.

    Raises:
        RecordError: It is not an exported folder in a run folder.
    """
    if not folder.is_dir():
        raise RecordError(f"{folder}: no such folder; give one that was exported, such as runs/tradeoff/best/knee")
    if (folder / SPACE_FILE).is_file():
        found = sorted(record.parent.name for record in (folder / BEST_FOLDER).glob(f"*/{RECORD_FILE}"))
        raise RecordError(
            f"{folder}: is a run folder; give one of {folder / BEST_FOLDER}: {', '.join(found) or 'none is there'}"
        )
    run = folder.resolve().parent.parent
    if not (run / SPACE_FILE).is_file() or not (folder / RECORD_FILE).is_file():
        raise RecordError(f"{folder}: was not exported by a run, or lies outside its run; give RUN/{BEST_FOLDER}/NAME")
    return run


def front_differences(run: Run) -> list[str]:
    """Return a line for each thing in which front.csv is not what trials.csv gives; none where they agree."""
    path = run.folder / FRONT_FILE
    if not path.is_file():
        return [f"{path}: is missing; python -m results {run.folder} writes it"]
    expected = overview({run.folder.name: run}, run.folder.name).front
    if path.read_bytes() == frame_text(expected).encode():
        return []
    header, found_rows = _read(path.read_text(encoding="utf-8", errors="replace"))
    rows = {row.get("trial", ""): row for row in found_rows}
    lines = []
    columns = [str(name) for name in expected.columns]
    if header != columns:
        missing = [name for name in columns if name not in header]
        added = [name for name in header if name not in columns]
        lines.append(f"{path}: its columns differ (missing {missing or 'none'}, added {added or 'none'})")
    texts = _read(frame_text(expected))[1]
    trials = [row["trial"] for row in texts]
    for trial in [trial for trial in rows if trial not in trials]:
        lines.append(f"{path}: trial {trial} is not on the front that trials.csv gives")
    for wanted in texts:
        found = rows.get(wanted["trial"])
        if found is None:
            lines.append(f"{path}: trial {wanted['trial']} is on the front that trials.csv gives, and is missing")
            continue
        for name in [name for name in columns if name in found and found[name] != wanted[name]]:
            lines.append(
                f"{path}: trial {wanted['trial']}: {name} is {found[name]!r}, trials.csv gives {wanted[name]!r}"
            )
    return lines or [f"{path}: its rows are in another order, or written otherwise, than trials.csv gives"]


def _read(text: str) -> tuple[list[str], list[dict[str, str]]]:
    """Return the columns and the rows of a table, in which nothing need be right."""
    try:
        lines = [line for line in csv.reader(io.StringIO(text)) if line]
    except csv.Error:
        lines = []
    header = lines[0] if lines else []
    return header, [dict(zip(header, line, strict=False)) for line in lines[1:]]


def export_differences(run: Run, folder: Path) -> list[str]:
    """Return a line for each thing in which an exported folder is not what was written, or is not its trial's."""
    record = _record(folder)
    lines = [f"{folder / name}: is missing, or is not what was exported" for name in changed_files(folder, record)]
    source = run.folder / TRIAL_FOLDER / record.trial
    checkpoint = source / CHECKPOINT_FILE
    if checkpoint.is_file() and CHECKPOINT_FILE in record.files and sha256(checkpoint) != record.files[CHECKPOINT_FILE]:
        lines.append(f"{folder / CHECKPOINT_FILE}: is not the checkpoint of trial {record.trial} ({checkpoint})")
    configuration = source / CONFIGURATION_FILE
    exported = folder / CONFIGURATION_FILE
    if configuration.is_file() and exported.is_file():
        body = [line for line in exported.read_bytes().splitlines() if not line.startswith(b"#")]
        if body != [line for line in configuration.read_bytes().splitlines() if not line.startswith(b"#")]:
            lines.append(f"{exported}: is not the configuration of trial {record.trial} ({configuration})")
    return lines + _place_on_front(run, record, folder)


def _place_on_front(run: Run, record: ExportRecord, folder: Path) -> list[str]:
    """Say where a named point of the front is no longer the one that trials.csv gives."""
    if record.chosen_from != "front":
        return []
    best = front(run_points(run).table, run.space.objectives, run.space.guards)
    named = best_points(best)
    trial = str(best["trial"].iloc[named[record.name]]) if record.name in named else None
    if trial == record.trial:
        return []
    now = "no such point" if trial is None else f"trial {trial}"
    return [f"{folder}: is trial {record.trial}, but by trials.csv {record.name} is {now}; rebuild the run"]


def _record(folder: Path) -> ExportRecord:
    record = read_record(folder)
    if record is None:
        raise RecordError(f"{folder / RECORD_FILE}: is missing; rebuild the run")
    return record


def scatters(run: Run) -> dict[str, Scatter | None]:
    """Return how far the seeds of the run's points scatter in each judged metric; None where no point has two."""
    finished = (run.trials["state"] == "finished").to_numpy(dtype=bool)
    owner = run_points(run).owner[finished]
    found: dict[str, Scatter | None] = {}
    for metric in run.space.judged:
        values = metric_values(run.trials, metric)[finished, None]
        spread = pooled_spread(Seeds(values, finished[finished], owner))
        found[metric] = None if spread is None else Scatter(float(spread.std[0]), spread.freedom)
    return found


def recorded_seeds(run: Run, folder: Path) -> pd.DataFrame:
    """Return the finished trials of the exported point, one per seed, that of the checkpoint first.

    Raises:
        RecordError: trials.csv does not have its trial.
    """
    record = _record(folder)
    points = run_points(run)
    rows = [row for row, trial in enumerate(run.trials["trial"]) if trial == record.trial]
    finished = (run.trials["state"] == "finished").to_numpy(dtype=bool)
    if not rows or not finished[rows[0]]:
        raise RecordError(f"{folder}: trials.csv has no finished trial {record.trial}; rebuild the run")
    own = run.trials.iloc[rows[:1]]
    others = run.trials[(points.owner == points.owner[rows[0]]) & finished]
    return pd.concat([own, others[others["trial"] != record.trial]])
