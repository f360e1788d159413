"""The command line `python -m results.atlas RUN/best/knee [--out FOLDER]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from results.atlas.page import atlas_page
from results.atlas.print import write_pictures
from results.atlas.view import AtlasView
from results.command import PATH, run_command
from results.exceptions import RecordError
from results.records.files import write_atomically
from results.records.names import check_own

if TYPE_CHECKING:
    from model.pretrained.exported import ExportedFiles

PAGE = "atlas.html"


@click.command("python -m results.atlas")
@click.argument("exported", type=PATH)
@click.option("--out", type=PATH, metavar="FOLDER", help="where it goes; beside the configuration, .atlas")
@click.option("--per-class", type=int, default=2, metavar="N", help="example recordings of each class (2); 0 for none")
def atlas(exported: Path, out: Path | None, per_class: int) -> int:
    """Draw the atlas of an exported configuration such as runs/tradeoff/best/knee.

    What every code looks like and means, and recordings as codes; a page and pictures for print.
    """
    # The one room of `results` that asks the model: what comes back are plain arrays, and all else here draws them.
    from model.pretrained.atlas import make_atlas
    from model.pretrained.exported import find_exported

    if per_class < 0:
        raise RecordError(f"--per-class: expected 0 or more recordings, got {per_class}")
    files = find_exported(exported)
    folder = out or files.folder / f"{files.name}.atlas"
    if out is None:
        check_own(folder)
    elif out.exists() and not out.is_dir():
        raise RecordError(f"--out: {out} is a file; expected a folder")
    view = AtlasView(make_atlas(files, per_class), f"Atlas of {files.name}", _origin(files))
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / PAGE, atlas_page(view))
    print(folder / PAGE, *write_pictures(view, folder), sep="\n")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    return run_command(atlas, arguments, bad_input=ValueError)


def _origin(files: ExportedFiles) -> str:
    """Return the first line of the configuration, in which an export says what it is."""
    if files.configuration is None:
        return str(files.checkpoint)
    first = files.configuration.read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ") if first.startswith("#") else str(files.configuration)


if __name__ == "__main__":
    sys.exit(main())
