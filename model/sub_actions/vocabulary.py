"""The phrases of each class, read from YAML and matched with the classes of a data set.

Who wrote the file, a person or `model.extraction`, makes no difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from model.exceptions import InputError
from model.files import complaint, read_yaml


class SubActionError(InputError):
    """The vocabulary, or the number of sub-actions asked of it, cannot be used."""


class Vocabulary(BaseModel):
    """Phrases per class.

    Attributes:
        name: Name of the vocabulary.
        description: What the phrases are about; for people.
        style: How they were written: `phases` are the phases of a movement in their order, `keywords` are partly
            shared between classes; None where nobody said.
        titles: What a class is called in words, where its label in the data does not say it, such as "3.0".
        classes: The phrases of each class; white space is tidied, nothing else.
        wordings: Other ways to say a phrase, such as a keyword and a paraphrase; of any phrases, or none.
        extraction: How the phrases were made: language model, prompt, time and seed; None where a person wrote them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str = ""
    style: Literal["phases", "keywords"] | None = None
    titles: dict[str, str] = {}
    classes: dict[str, tuple[str, ...]]
    wordings: dict[str, tuple[str, ...]] = {}
    extraction: dict[str, Any] | None = None

    @field_validator("titles", "classes", mode="before")
    @classmethod
    def _class_names_are_strings(cls, classes: Any) -> Any:
        if not isinstance(classes, Mapping):
            return classes
        for key in classes:
            if isinstance(key, bool) or not isinstance(key, str | int):
                raise ValueError(f"the class name {key!r} is not a string: put it in quotes")
        return {str(key): value for key, value in classes.items()}

    @field_validator("classes")
    @classmethod
    def _phrases_are_usable(cls, classes: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if len(classes) < 2:
            raise ValueError(f"two or more classes are needed, got {len(classes)}")
        tidy = {name: _tidy(phrases) for name, phrases in classes.items()}
        for name, phrases in tidy.items():
            if not phrases or not all(phrases):
                raise ValueError(f"class {name} has no phrases" if not phrases else f"class {name} has an empty phrase")
            if twice := [phrase for phrase in phrases if phrases.count(phrase) > 1]:
                raise ValueError(f"class {name} lists the phrase '{twice[0]}' twice")
        return tidy

    @field_validator("titles")
    @classmethod
    def _titles_are_usable(cls, titles: dict[str, str]) -> dict[str, str]:
        if empty := [name for name, title in titles.items() if not title.strip()]:
            raise ValueError(f"class {empty[0]} has an empty title")
        return titles

    @field_validator("wordings")
    @classmethod
    def _wordings_are_usable(cls, wordings: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        tidy = {" ".join(phrase.split()): _tidy(others) for phrase, others in wordings.items()}
        for phrase, others in tidy.items():
            if not others or not all(others):
                raise ValueError(f"the phrase '{phrase}' has {'an empty' if others else 'no other'} wording")
            if twice := [other for other in others if other == phrase or others.count(other) > 1]:
                raise ValueError(f"the phrase '{phrase}' has the wording '{twice[0]}' twice")
        return tidy

    @model_validator(mode="after")
    def _names_exist(self) -> Vocabulary:
        phrases = set(self.all_phrases())
        for key, names, known in (("titles", self.titles, self.classes), ("wordings", self.wordings, phrases)):
            if strange := [name for name in names if name not in known]:
                close = get_close_matches(strange[0], known, n=1)
                hint = f"; did you mean '{close[0]}'?" if close else ""
                what = "class" if key == "titles" else "phrase"
                raise ValueError(f"{key}: no {what} is '{strange[0]}'{hint}")
        return self

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the classes in order, (classes,)."""
        return tuple(self.classes)

    def all_phrases(self) -> tuple[str, ...]:
        """Return all phrases, class by class, one that several classes use as often as they use it, (phrases,)."""
        return tuple(phrase for phrases in self.classes.values() for phrase in phrases)

    def title(self, class_name: str) -> str:
        """Return what a class is called in words: its title, else its label with spaces for underscores."""
        return self.titles.get(class_name, class_name.replace("_", " "))

    def class_titles(self) -> list[str]:
        """Return what each class is called in words, in order, (classes,)."""
        return [self.title(name) for name in self.classes]

    def class_of(self) -> np.ndarray:
        """Return the index of the class of each of `all_phrases`, int64, (phrases,)."""
        return np.repeat(np.arange(len(self.classes)), [len(phrases) for phrases in self.classes.values()])


def load_vocabulary(source: Path | str | Mapping[str, Any] | Vocabulary) -> Vocabulary:
    """Read a vocabulary from a YAML file, or validate a mapping.

    >>> vocabulary = load_vocabulary({"name": "mine", "classes": {"walk": ["swing  arm"], "sit": ["lower hips"]}})
    >>> vocabulary.all_phrases()
    ('swing arm', 'lower hips')

    Raises:
        SubActionError: One line that names the file and the key.
    """
    if isinstance(source, Vocabulary):
        return source
    if isinstance(source, Mapping):
        content, where = source, "vocabulary"
    else:
        where = str(Path(source))
        unreadable = "vocabulary file {path} cannot be read: {reason}"
        content = read_yaml(Path(source), SubActionError, "the keys name and classes", unreadable=unreadable)
    try:
        return Vocabulary.model_validate(dict(content))
    except ValidationError as error:
        raise SubActionError(f"{where}: {complaint(error)}") from None


def match_classes(vocabulary: Vocabulary, class_names: Sequence[str]) -> Vocabulary:
    """Bring the classes into the data's order and spelling; upper and lower case do not matter.

    Raises:
        SubActionError: A class of the data has no phrases, or phrases are for a class that the data does not
            have.
    """
    phrases = {name.casefold(): entry for name, entry in vocabulary.classes.items()}
    if len(phrases) < len(vocabulary.classes):
        raise SubActionError(f"vocabulary {vocabulary.name}: two classes differ only by upper and lower case")
    wanted = {name.casefold() for name in class_names}
    missing = [name for name in class_names if name.casefold() not in phrases]
    extra = [name for name in vocabulary.classes if name.casefold() not in wanted]
    if missing or extra:
        problems = [f"no phrases for {', '.join(missing)}"] if missing else []
        problems += [f"phrases for {', '.join(extra)}, which the data does not have"] if extra else []
        raise SubActionError(
            f"vocabulary {vocabulary.name}: {' and '.join(problems)} (the data's classes: {', '.join(class_names)})"
        )
    titles = {name.casefold(): title for name, title in vocabulary.titles.items()}
    return vocabulary.model_copy(
        update={
            "classes": {name: phrases[name.casefold()] for name in class_names},
            "titles": {name: titles[name.casefold()] for name in class_names if name.casefold() in titles},
        }
    )


def _tidy(phrases: Sequence[str]) -> tuple[str, ...]:
    return tuple(" ".join(phrase.split()) for phrase in phrases)
