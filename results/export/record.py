"""`export.json`: what an export wrote into a folder of `best/`; it alone is replaced, and it can be checked."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from results.exceptions import RecordError
from results.records.files import complaint, read_bytes
from results.records.names import PlainName

RECORD_FILE = "export.json"
BLOCK_BYTES = 1 << 20


class ExportRecord(BaseModel):
    """What one folder holds.

    Attributes:
        run: Its name.
        name: Of the folder.
        chosen_from: "front" for a named point of the front, which every rebuild writes anew; "pick" for a choice of the
            user, which stays.
        what: What the point is, in words.
        trial: The trial whose weights these are.
        trials: All trials of its point, one per seed.
        files: SHA-256 of each file that was written, by its name.
    """

    model_config = ConfigDict(frozen=True)

    run: str
    name: PlainName
    chosen_from: Literal["front", "pick"]
    what: str
    trial: PlainName
    trials: tuple[PlainName, ...]
    files: dict[PlainName, str]

    def text(self) -> str:
        """The content of the file."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def read_record(folder: Path) -> ExportRecord | None:
    """Read the record of a folder; None where it has none.

    Raises:
        RecordError: It is damaged.
    """
    path = folder / RECORD_FILE
    if not path.is_file():
        return None
    try:
        return ExportRecord.model_validate_json(read_bytes(path))
    except (ValidationError, OSError) as error:
        why = complaint(error) if isinstance(error, ValidationError) else error.strerror
        raise RecordError(
            f"{path}: cannot be read as the record of an export ({why}); move the folder away and rebuild the run"
        ) from None


def sha256(source: Path | bytes) -> str:
    """Return the SHA-256 of a file, or of bytes, in hexadecimal."""
    digest = hashlib.sha256(source if isinstance(source, bytes) else b"")
    if isinstance(source, Path):
        with source.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()


def changed_files(folder: Path, record: ExportRecord) -> list[str]:
    """Return the names of recorded files that are missing or are no longer what was written."""
    return [
        name
        for name, digest in record.files.items()
        if not (folder / name).is_file() or sha256(folder / name) != digest
    ]
