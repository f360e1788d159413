"""The classes of a data set and how it was recorded, as a person writes them down for `model.extraction`.

Owns the labels file: its keys, its checks, and the sentence that describes the data set.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, field_validator

from model.configuration.sections import Frozen
from model.exceptions import InputError
from model.files import AsWritten, complaint, read_yaml


class LabelsError(InputError):
    """A labels file that cannot be used; the message names the file and the dotted key."""


def _one_line(value: str) -> str:
    tidy = " ".join(value.split())
    if not tidy:
        raise ValueError("is empty; write something or leave the key out")
    if not tidy.isprintable():
        raise ValueError("has characters that cannot be printed")
    return tidy


Text = Annotated[str, AfterValidator(_one_line)]


class ClassNote(Frozen):
    """What is to be said of one class beside its label."""

    title: Text | None = None  # the class in words, where its label does not say it, such as "3.0"
    note: Text | None = None  # anything that helps to imagine it, such as how it was performed


class ClassLabels(Frozen):
    """A data set, in the parts that a prompt needs.

    Attributes:
        name: Becomes the name of the vocabulary.
        sensor: What was measured with, such as "three-axis accelerometer and gyroscope".
        place: Where on the body it was worn, such as "dominant wrist".
        rate_hz: Samples per second; None where nobody knows.
        description: Anything else about the recordings.
        classes: Each class by its label in the data, in order.
    """

    name: Text
    sensor: Text
    place: Text
    rate_hz: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    description: Text | None = None
    classes: dict[str, ClassNote]

    @field_validator("classes", mode="before")
    @classmethod
    def _names_or_notes(cls, classes: Any) -> Any:
        if isinstance(classes, list):
            if strange := [name for name in classes if not isinstance(name, str)]:
                raise ValueError(f"{strange[0]!r} in the list is no name; a list holds names, notes need 'name: note'")
            if twice := [name for name in classes if classes.count(name) > 1]:
                raise ValueError(f"the class {twice[0]} is listed twice")
            return {name: {} for name in classes}
        if not isinstance(classes, Mapping):
            raise ValueError("expected a list of names, or a mapping of names to notes")
        if strange := [name for name in classes if not isinstance(name, str)]:
            raise ValueError(f"the class name {strange[0]!r} is not a string: put it in quotes")
        return {name: _as_note(name, entry) for name, entry in classes.items()}

    @field_validator("classes")
    @classmethod
    def _can_be_told_apart(cls, classes: dict[str, ClassNote]) -> dict[str, ClassNote]:
        if len(classes) < 2:
            raise ValueError(f"two or more classes are needed, got {len(classes)}")
        if not all(name and name == " ".join(name.split()) for name in classes):
            raise ValueError("a class name is empty, or has white space at its ends or more than one blank in a row")
        if not all(name.isprintable() for name in classes):
            raise ValueError("a class name has characters that cannot be printed")
        if len({name.casefold() for name in classes}) < len(classes):
            raise ValueError("two classes differ only by upper and lower case")
        return classes

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in order, (classes,)."""
        return tuple(self.classes)

    @property
    def titles(self) -> dict[str, str]:
        """The titles of the classes that have one."""
        return {name: entry.title for name, entry in self.classes.items() if entry.title is not None}

    def summary(self) -> str:
        """Describe in one paragraph how the data was recorded."""
        rate = f", {self.rate_hz:g} Hz" if self.rate_hz is not None else ""
        first = f"{self.sensor}, worn at: {self.place}{rate}."
        return f"{first} {self.description}" if self.description else first


def read_class_labels(path: Path) -> ClassLabels:
    """Read a labels file.

    Raises:
        LabelsError: One line that names the file and the key.
    """
    content = read_yaml(path, LabelsError, f"the keys {', '.join(ClassLabels.model_fields)}", AsWritten)
    if strange := [key for key in content if not isinstance(key, str)]:
        raise LabelsError(f"{path}: the key {strange[0]!r} is not a string")
    try:
        return ClassLabels.model_validate(content)
    except ValidationError as error:
        raise LabelsError(f"{path}: {complaint(error, ClassLabels)}") from None


def _as_note(name: str, entry: Any) -> Any:
    if entry is None:
        return {}
    if isinstance(entry, str):
        return {"note": entry}
    if not isinstance(entry, Mapping):
        raise ValueError(f"{name}: expected nothing, a note, or a mapping with title and note; got {entry!r}")
    return entry
