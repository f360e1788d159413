"""Read the `space.yaml` of a run folder: what was searched, judged and kept fixed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from results.exceptions import RecordError
from results.records.files import complaint, read_mapping
from results.records.objectives import Guard, Objective
from results.records.tables import LINE, is_taken
from results.records.text import recorded

SPACE_FILE = "space.yaml"
REMEDY = "restore the file that the search wrote"
LINE_COLUMN = {"name": LINE, "type": "line"}  # tells points apart as a parameter does


class Parameter(BaseModel):
    """One searched parameter, as far as reading and drawing needs it.

    Attributes:
        name: Dotted key, and column in `trials.csv`.
        type: choice, int, float or log; line for the text that says what values a line has gone through.
        values: The values of a choice, in the space's order, as tables hold them; empty for the other types.
        low: The smallest value of the other types; None for a choice.
        high: The largest value of the other types; None for a choice.
        log: Whether whole numbers were drawn on a logarithmic scale.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    type: str
    values: tuple[Annotated[Any, BeforeValidator(recorded)], ...] = ()
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    log: bool = Field(False, exclude_if=lambda log: not log)

    @property
    def logarithmic(self) -> bool:
        """Whether its values were drawn evenly on a logarithmic scale."""
        return self.log or self.type == "log"


class RunSpace(BaseModel):
    """What a run searched; keys of the file that reading a run does not need are left out."""

    model_config = ConfigDict(frozen=True)

    name: str
    study: str = ""
    seed: int | None = None
    parameters: tuple[Parameter, ...]
    objectives: tuple[Objective, ...] = Field(min_length=1)
    guards: tuple[Guard, ...] = ()
    sweep: dict[str, Any] = {}
    budget: dict[str, Any] = {}
    resources: dict[str, Any] = {}
    fixed: dict[str, Any] = {}
    provenance: dict[str, Any] = {}

    @model_validator(mode="after")
    def _names_differ(self) -> RunSpace:
        names = [objective.name for objective in self.objectives]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two objectives are named {twice[0]!r}")
        searched = {parameter.name for parameter in self.parameters if parameter.type != LINE_COLUMN["type"]}
        if both := sorted(searched.intersection(self.judged)):
            raise ValueError(f"{both[0]!r} is a parameter and a metric")
        metrics = [objective.metric for objective in self.objectives]
        if twice := [metric for metric in metrics if metrics.count(metric) > 1]:
            raise ValueError(f"two objectives have the metric {twice[0]!r}")
        for name in (*searched, *self.judged):
            if is_taken(name, metrics):
                raise ValueError(f"{name!r} is the name of a column of the tables of trials; rename it everywhere")
            if not name.isprintable():
                raise ValueError(f"the name {name!r} has characters that do not print")
        return self

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Column names of the parameters, in the space's order."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def judged(self) -> tuple[str, ...]:
        """The metrics of the objectives, then those of the guards, each once."""
        metrics = [objective.metric for objective in self.objectives] + [guard.metric for guard in self.guards]
        return tuple(dict.fromkeys(metrics))


def read_space(folder: Path | str) -> RunSpace:
    """Read what a run searched.

    Args:
        folder: The run folder.

    Raises:
        RecordError: The folder is missing, is not a run folder, or its `space.yaml` is damaged.
    """
    folder = Path(folder)
    path = folder / SPACE_FILE
    if not folder.is_dir():
        raise RecordError(f"{folder}: no such folder; give a run folder, such as runs/tradeoff")
    if not path.is_file():
        raise RecordError(
            f"{folder}: not a run folder, it has no {SPACE_FILE}; give a folder that a search has written"
        )
    try:
        return RunSpace.model_validate(_arranged(path, read_mapping(path, path, REMEDY)))
    except ValidationError as error:
        raise RecordError(f"{path}: {complaint(error)}; {REMEDY}") from error


def _arranged(path: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the file's mappings by name into lists, without the keys that reading does not need."""
    arranged = {key: document[key] for key in RunSpace.model_fields if document.get(key) is not None}
    parameters = _mapping(path, document, "parameters")
    arranged["parameters"] = [
        {**_mapping(path, parameters, name, f"parameters.{name}"), "name": name} for name in parameters
    ]
    if document.get("sweep") is not None:
        arranged["parameters"].append(LINE_COLUMN)
    guards = _mapping(path, document, "guards") if document.get("guards") else {}
    arranged["guards"] = [{**_mapping(path, guards, metric, f"guards.{metric}"), "metric": metric} for metric in guards]
    objectives = document.get("objectives")
    if isinstance(objectives, list):
        known = Objective.model_fields
        arranged["objectives"] = [
            {key: entry[key] for key in known if key in entry} if isinstance(entry, Mapping) else entry
            for entry in objectives
        ]
    return arranged


def _mapping(path: Path, parent: Mapping[str, Any], key: str, dotted: str = "") -> Mapping[str, Any]:
    value = parent.get(key)
    if not isinstance(value, Mapping):
        raise RecordError(f"{path}: {dotted or key}: expected a mapping, found {value!r}; {REMEDY}")
    return value
