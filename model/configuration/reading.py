"""The configuration of one model: what a YAML file may say, its defaults, and its checks.

The typed, frozen description of one training run, from the data set to the loss weights. Nothing here imports torch,
so that a space file with a typo is refused at once. Configuration stops at `model.study` and `model.training.run`:
the modules themselves take plain arguments.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from model.configuration.sections import (
    Alignment,
    Architecture,
    Count,
    Data,
    LossWeights,
    Merging,
    Section,
    Stage,
    Training,
    Weight,
    Windows,
)
from model.exceptions import InputError
from model.files import complaint, read_yaml
from model.sub_actions.vocabulary import SubActionError, load_vocabulary

CONFIGURATION_FILE = "configuration.yaml"  # in the folder of a trial or of an exported point


class ConfigurationError(InputError):
    """A configuration that cannot be used; the message names the dotted key and says what to do."""


class Configuration(Section):
    """One training run, complete."""

    data: Data = Data()
    vocabulary: str | dict[str, Any] = Field(description="path of a vocabulary file, or its content")
    text_encoder: str | None = Field(None, description="folder or hub name; None is the MiniLM that is installed")
    method: Literal["action_head", "action_decoder"] = "action_decoder"
    quantizer: Literal["synchronised", "straight_through", "ema", "sim_vq", "fsq", "product"] = "synchronised"
    rotation_trick: bool = Field(False, description="turns the codes' gradient to the encoder's output")
    synthesis: Weight = Field(1.0, description="γ, how much the choice of a code looks at what it draws, at w 0.5")
    codebook_size: Annotated[int, Field(ge=2, le=2**20)] = Field(16, description="codes (J)")
    action_codes: Annotated[int, Field(ge=2)] | None = Field(
        None, description="codes for actions (J_a) with quantizer product; None is about √J", validate_default=True
    )
    num_sub_actions: Annotated[int, Field(ge=2)] = Field(12, description="sub-actions in the vocabulary (K)")
    merging: Merging = Merging()
    action_weight: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(0.5, description="w, from shape (0) to action (1)")
    classify: Literal["none", "codes", "tokens", "both"] = "none"
    architecture: Architecture = Architecture()
    windows: Windows = Windows()
    losses: LossWeights = LossWeights()
    alignment: Alignment = Alignment()
    training: Training = Training()
    epochs: Count = Field(120, description="in all")
    stages: tuple[Stage, ...] = Field(
        (), description="weights one after another, each for its epochs", exclude_if=lambda stages: not stages
    )
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    threads: Annotated[int, Field(ge=1, le=4096)] | None = Field(
        None, description="CPU threads; None takes torch's choice"
    )

    @model_validator(mode="before")
    @classmethod
    def _ends_as_its_last_stage(cls, values: Any) -> Any:
        """Fill in the weight at the end and all epochs, or refuse others."""
        try:
            weights, epochs = zip(
                *((stage["action_weight"], stage["epochs"]) for stage in values["stages"]), strict=True
            )
            at_end = {"action_weight": weights[-1], "epochs": sum(epochs)}
        except (KeyError, IndexError, TypeError, ValueError):
            return values  # there are no stages, or what is wrong with them is said of each
        for key, value in at_end.items():
            if values.get(key, value) != value:
                raise ValueError(f"{key}: is {values[key]}, but the stages end with {value}; leave it out")
        return {**values, **at_end}

    @field_validator("rotation_trick")
    @classmethod
    def _has_something_to_rotate(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("quantizer") == "fsq":
            raise ValueError("means nothing with quantizer fsq, which rounds and has no nearest code; leave it false")
        if value and info.data.get("quantizer") == "product":
            raise ValueError("cannot be had with quantizer product; leave it false")
        return value

    @field_validator("action_codes")
    @classmethod
    def _divides_the_codebook(cls, value: int | None, info: ValidationInfo) -> int | None:
        codes, product = info.data.get("codebook_size"), info.data.get("quantizer") == "product"
        if value is not None and not product:
            raise ValueError("means something with quantizer product alone; leave it out")
        if product and codes is not None and (value or _usual_action_codes(codes)) is None:
            raise ValueError(f"a codebook_size of {codes} has no two parts; take one that can be divided")
        if value is not None and codes is not None and (codes % value or codes // value < 2):
            raise ValueError(f"{value} must divide codebook_size {codes} into 2 codes or more")
        return value

    @field_validator("architecture")
    @classmethod
    def _has_a_number_for_each_part(cls, value: Architecture, info: ValidationInfo) -> Architecture:
        if value.code_dim < 2 and info.data.get("quantizer") == "product":
            raise ValueError("code_dim: with quantizer product it must be 2 or more, a number for each part")
        return value

    @property
    def all_stages(self) -> tuple[Stage, ...]:
        """The stages of the training; one where none are given."""
        return self.stages or (Stage(action_weight=self.action_weight, epochs=self.epochs),)

    @property
    def codes_of_actions(self) -> int:
        """Codes of the action part with `quantizer: product`."""
        return self.action_codes or _usual_action_codes(self.codebook_size) or 1


def _usual_action_codes(codes: int) -> int | None:
    """Return the divisor of J nearest to √J, the smaller of two, with 2 codes or more in each part; None for a prime J.

    >>> [_usual_action_codes(codes) for codes in (64, 32, 6, 7)]
    [8, 4, 2, None]
    """
    divisors = [n for n in range(2, codes // 2 + 1) if codes % n == 0]
    return min(divisors, key=lambda n: (round(abs(math.log(n * n / codes)), 9), n), default=None)


def parse_configuration(values: Mapping[str, Any]) -> Configuration:
    """Check a mapping against `Configuration`.

    Args:
        values: Nested mapping, as read from YAML.

    Raises:
        ConfigurationError: One line that begins with the dotted key and says what was expected.
    """
    try:
        return Configuration.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigurationError(complaint(error, Configuration, got=True)) from None


def read_configuration(path: Path) -> Configuration:
    """Read a YAML file, or the `configuration.yaml` of a folder; paths inside it are relative to the file's folder.

    Raises:
        ConfigurationError: The file is missing, is not YAML, or does not describe a configuration.
    """
    if path.is_dir():
        path = path / CONFIGURATION_FILE
    elif not path.exists() and (moved := path.with_suffix("") / CONFIGURATION_FILE).is_file():
        raise ConfigurationError(f"{path}: there is no such file; it may be {moved}")
    values = read_yaml(path, ConfigurationError, "a mapping of keys to values")
    try:
        return parse_configuration(resolve_configuration(values, path.parent))
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def resolve_configuration(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Make a configuration independent of its place: defaults filled in, paths absolute, the vocabulary inlined.

    Args:
        values: Nested mapping, as the user wrote it.
        folder: What relative paths are relative to.

    Raises:
        ConfigurationError: An unknown key, a wrong value, or a missing file, named by its dotted key.
    """
    if "vocabulary" not in values:
        raise ConfigurationError("vocabulary: is missing; name a file such as sub_actions/basic_motions.yaml")
    parsed = parse_configuration(values)
    resolved = parsed.model_dump(mode="json")
    resolved["vocabulary"] = _inline_vocabulary(parsed.vocabulary, folder)
    try:
        source = parsed.data.source.resolve(folder)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"data: {error}") from None
    resolved["data"]["source"] = source.model_dump(mode="json", exclude_none=True)
    return resolved


def _inline_vocabulary(vocabulary: str | dict[str, Any], folder: Path) -> dict[str, Any]:
    source = folder / vocabulary if isinstance(vocabulary, str) else vocabulary
    if isinstance(source, Path) and not source.is_file():
        raise ConfigurationError(f"vocabulary: there is no file {source}")
    try:
        return load_vocabulary(source).model_dump(mode="json", exclude_defaults=True)
    except SubActionError as error:
        raise ConfigurationError(f"vocabulary: {error}") from None
