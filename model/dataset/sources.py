"""Where the recordings come from: one frozen description, checked before anything heavy is imported.

A source is exactly one of a data set's name, a pair of ``.ts`` files, or an ``.npz`` file. The module
imports neither torch nor aeon, so that a space file can be validated within a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from model.exceptions import InputError
from model.files import complaint

EMBEDDED_NAME = "BasicMotions"


class DataError(InputError):
    """The data cannot be used; the message names the file, the recording where it can, and what to do."""


class DataSource(BaseModel):
    """One source of recordings.

    Attributes:
        name: A UEA/UCR data set that aeon knows; ``BasicMotions`` (the default when nothing is given) needs
            no download.
        extract_path: Folder with ``<name>/<name>_TRAIN.ts`` and ``_TEST.ts``, into which aeon also
            downloads; only with ``name``. None: the sets inside aeon, then aeon's data folder ($AEON_DATA,
            or ``~/aeon_data``).
        train_ts: Training part as a ``.ts`` file; needs ``test_ts``.
        test_ts: Test part as a ``.ts`` file; needs ``train_ts``.
        npz: An ``.npz`` file, see `model.dataset.npz.read_npz`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None = None
    extract_path: Path | None = None
    train_ts: Path | None = None
    test_ts: Path | None = None
    npz: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _fill_default(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and not any(given.get(key) for key in ("name", "train_ts", "test_ts", "npz")):
            return {**given, "name": EMBEDDED_NAME}
        return given

    @model_validator(mode="after")
    def _one_source(self) -> DataSource:
        if (self.train_ts is None) != (self.test_ts is None):
            raise ValueError("train_ts and test_ts belong together: give both files")
        given = [key for key in ("name", "train_ts", "npz") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of name, train_ts + test_ts, npz; got {' and '.join(given)}")
        if self.extract_path is not None and self.name is None:
            raise ValueError("extract_path is the folder in which a name is looked for: give name, or leave it out")
        if self.name is not None and Path(self.name).name != self.name:
            raise ValueError(f"name is a data set's name, not a path (use train_ts + test_ts or npz): {self.name}")
        return self

    @classmethod
    def parse(cls, given: DataSource | Mapping[str, Any]) -> DataSource:
        """Validate a mapping.

        Raises:
            DataError: One line that names the wrong key.
        """
        if isinstance(given, cls):
            return given
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise DataError(complaint(error, cls)) from None

    def resolve(self, folder: Path) -> DataSource:
        """Make the paths absolute, as seen from `folder`, and check that the files exist.

        Raises:
            DataError: A file does not exist; the message starts with the key.
        """
        absolute: dict[str, Path] = {}
        for key in ("extract_path", "train_ts", "test_ts", "npz"):
            path = getattr(self, key)
            if path is None:
                continue
            absolute[key] = (folder / path.expanduser()).resolve()
            if key != "extract_path" and not absolute[key].is_file():
                raise DataError(f"{key}: no such file: {absolute[key]}")
        return self.model_copy(update=absolute)

    @property
    def label(self) -> str:
        """A short name for people: the data set's name or the file's stem."""
        if self.name is not None:
            return self.name
        path = self.npz or self.train_ts
        assert path is not None
        return path.stem.removesuffix("_TRAIN")
