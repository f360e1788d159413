"""Owns `best/`: the knee and the end of each objective as configuration, checkpoint and tables, ready to be used."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from results.cells import cell, write_atomically
from results.front import best_points
from results.points import SEEDS_COLUMN
from results.table_text import short

BEST_FOLDER = "best"
TABLES = (".csv", ".json")  # whatever a study writes beside its checkpoint; there may be none


def export_best(
    folder: Path, rows: pd.DataFrame, metrics: list[str], title: str, objectives: Sequence[str]
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Copy the named points of a front to `best/`; what an earlier export left there goes.

    Args:
        folder: The run folder, with `trials/<trial>/configuration.yaml`, `model.safetensors` and perhaps tables.
        rows: The front, as `results.front.front` gives it.
        metrics: Metric columns for the header comment.
        title: Name of the run for the header comment.
        objectives: Names of the objectives.

    Returns:
        The files written, and one line per file that the trials' folders lack.
    """
    best = folder / BEST_FOLDER
    best.mkdir(exist_ok=True)
    written: list[Path] = []
    warnings: list[str] = []
    for name, position in best_points(rows).items():
        row = rows.iloc[position]
        source = folder / "trials" / str(row["trial"])
        configuration, checkpoint = source / "configuration.yaml", source / "model.safetensors"
        if configuration.is_file():
            text = _header(name, row, metrics, title).encode() + configuration.read_bytes()
            write_atomically(best / f"{name}.yaml", text)
            written.append(best / f"{name}.yaml")
        else:
            warnings.append(f"{configuration} is missing: {best / name}.yaml was not written")
        if checkpoint.is_file():
            written.append(_copied(checkpoint, best / f"{name}.safetensors"))
        else:
            warnings.append(f"{checkpoint} is missing: {best / name}.safetensors was not written")
        tables = sorted(path for path in source.glob("*") if path.suffix in TABLES and path.is_file())
        written += [_copied(table, best / f"{name}.{table.name}") for table in tables]
    _remove_stale(best, written, ("knee", *objectives))
    return tuple(written), tuple(warnings)


def _header(name: str, row: pd.Series, metrics: list[str], title: str) -> str:
    what = "the knee of the front" if name == "knee" else f"the best {name} of the front"
    lines = [f"# {title}: {what}, trial {row['trial']}."]
    several = row.get(SEEDS_COLUMN, 1) > 1
    if several:
        lines.append(f"# Of {row[SEEDS_COLUMN]} seeds of this point it is the nearest to their means, which are:")
    for metric in metrics:
        std = row.get(f"{metric}_std") if several else None
        lines.append(f"# {metric}: {cell(row[metric])}" + (f" ± {short(std)}" if std is not None else ""))
    return "\n".join(lines) + "\n"


def _copied(source: Path, target: Path) -> Path:
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, part)
    part.replace(target)
    return target


def _remove_stale(best: Path, written: list[Path], points: Sequence[str]) -> None:
    """Removes configurations and checkpoints that were not written now, and tables named after a point."""
    tables = tuple(f"{point}." for point in points)
    for path in best.iterdir():
        exported = path.suffix in (".yaml", ".safetensors", ".part")
        if (exported or (path.suffix in TABLES and path.name.startswith(tables))) and path not in written:
            path.unlink()
