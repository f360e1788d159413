"""The configuration of one model: what a YAML file may say, its defaults, and its checks.

Owns the typed, frozen description of one training run, from the data set to the loss weights. Nothing here imports
torch, so that a space file with a typo is refused at once. Configuration stops at `model.study` and `model.training`:
the modules themselves take plain arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model.data_sources import DataSource


class ConfigurationError(ValueError):
    """A configuration that cannot be used; the message names the dotted key and says what to do."""


Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Weight = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Architecture(_Frozen):
    """Sizes of the signal path; the names in brackets are those of the VQShape paper."""

    length: Count = Field(512, description="samples a recording is resampled to (T)")
    patches: Count = Field(64, description="patches per channel (P)")
    tokens: Count = Field(32, description="shape tokens per channel (N)")
    width: Count = Field(64, description="token width (D)")
    heads: Count = 4
    encoder_layers: Count = 2
    tokenizer_layers: Count = 2
    decoder_layers: Count = 2
    shape_samples: Count = Field(64, description="samples of one decoded shape")
    shape_hidden: Count = Field(128, description="width of the shape decoder")
    code_dim: Count = Field(16, description="width of one code (d)")
    dropout: Fraction = 0.0

    @model_validator(mode="after")
    def _sizes_fit(self) -> Architecture:
        for key in ("patches", "tokens"):
            if self.length % getattr(self, key):
                raise ValueError(f"length {self.length} is not a multiple of {key} {getattr(self, key)}")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


class Windows(_Frozen):
    """Where a token's window may lie: around its anchor t = n / N, l = 2 / N, or anywhere."""

    placement: Literal["anchored", "free"] = "anchored"
    shift: Weight = Field(1.0, description="how far a start may move from its anchor, in units of 1 / N")
    stretch: Annotated[float, Field(ge=1.0)] = Field(1.4, description="l within [2 / N / stretch, 2 / N · stretch]")
    held_fraction: Fraction = Field(0.3, description="share of the epochs before windows learn to move")


class LossWeights(_Frozen):
    """The weights λ of the loss terms."""

    series: Weight = Field(1.0, description="λ_x, reconstruction of the series")
    quantization: Weight = Field(1.0, description="λ_z, commitment, codebook and entropy")
    diversity: Weight = Field(0.1, description="λ_dist, windows apart")
    contrastive: Weight = Field(0.3, description="λ_c, signal and text of a class together")
    shape: Weight = Field(1.0, description="λ_s, normalised shapes against normalised pieces")
    piece: Weight = Field(0.0, description="λ_p, VQShape's shape loss σ · shape + μ against the piece")
    skill: Weight = Field(0.5, description="λ_k, errors of shapes relative to those of straight lines")
    stitch: Weight = Field(
        1.0, description="λ_st, the series rebuilt from its shapes alone; part of the shape objective"
    )
    action: Weight = Field(1.0, description="λ_a, KL to the soft labels")
    commitment: Weight = Field(0.25, description="commitment inside the quantization loss")
    entropy: Weight = Field(0.05, description="entropy term inside the quantization loss")
    classification: Weight = Field(1.0, description="λ_ce, the optional classification loss")


class Alignment(_Frozen):
    """The text path and how it meets the signal."""

    width: Count = Field(64, description="width of the shared projection")
    heads: Count = 4
    attention_temperature: Annotated[float, Field(gt=0.0)] = Field(0.1, description="of the cosine attention")
    contrastive_temperature: Annotated[float, Field(gt=0.0)] = 0.1
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(0.99, description="of the moving-average aligner")


class Training(_Frozen):
    """The optimiser and the schedule."""

    batch_size: Count = Field(8, description="recordings per step")
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-3
    weight_decay: Weight = 0.01
    warmup_fraction: Fraction = Field(0.05, description="share of the steps in which the learning rate rises")
    unquantized_fraction: Fraction = Field(0.3, description="share of the epochs before codes are used")
    gradient_clip: Annotated[float, Field(gt=0.0)] = 1.0
    mask_fraction: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(0.0, description="patches hidden in training")
    revive_below: Weight = Field(0.1, description="a code used less than this share of 1 / J is moved; 0 never")


class Data(_Frozen):
    """The data set and its split."""

    source: DataSource = Field(default_factory=lambda: DataSource(name="BasicMotions"))
    validation_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.25
    split_seed: int = 0

    @model_validator(mode="before")
    @classmethod
    def _source_keys_may_stand_here(cls, value: Any) -> Any:
        """`data: {name: BasicMotions}` is short for `data: {source: {name: BasicMotions}}`."""
        if isinstance(value, Mapping) and "source" not in value:
            own = {k: v for k, v in value.items() if k in cls.model_fields}
            source = {k: v for k, v in value.items() if k not in cls.model_fields}
            return {**own, "source": source} if source else own
        return value


class Configuration(_Frozen):
    """One training run, complete."""

    data: Data = Data()
    vocabulary: str | dict[str, Any] = Field(description="path of a vocabulary file, or its content")
    text_encoder: str | None = Field(None, description="folder or hub name; None is the MiniLM that is installed")
    method: Literal["action_head", "action_decoder"] = "action_decoder"
    quantizer: Literal["synchronised", "straight_through"] = "synchronised"
    codebook_size: Annotated[int, Field(ge=2)] = Field(16, description="codes (J)")
    num_sub_actions: Annotated[int, Field(ge=2)] = Field(12, description="sub-actions in the vocabulary (K)")
    action_weight: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(0.5, description="w, from shape (0) to action (1)")
    classify: Literal["none", "codes", "tokens", "both"] = "none"
    architecture: Architecture = Architecture()
    windows: Windows = Windows()
    losses: LossWeights = LossWeights()
    alignment: Alignment = Alignment()
    training: Training = Training()
    epochs: Count = 120
    seed: Annotated[int, Field(ge=0)] = 0
    threads: Count | None = Field(None, description="CPU threads; None takes torch's choice")


def parse_configuration(values: Mapping[str, Any]) -> Configuration:
    """Checks a mapping against `Configuration`.

    Args:
        values: Nested mapping, as read from YAML.

    Raises:
        ConfigurationError: One line that begins with the dotted key and says what was expected.
    """
    try:
        return Configuration.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigurationError(_first_complaint(error)) from None


def read_configuration(path: Path) -> Configuration:
    """Reads a YAML file; paths inside it are relative to the file's folder.

    Raises:
        ConfigurationError: The file is missing, is not YAML, or does not describe a configuration.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is not a text file; expected a YAML configuration") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: is not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(values, Mapping):
        raise ConfigurationError(f"{path}: expected a mapping of keys to values, got {type(values).__name__}")
    try:
        return parse_configuration(resolve_configuration(values, path.parent))
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None


def resolve_configuration(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Makes a configuration independent of its place: defaults filled in, paths absolute, the vocabulary inlined.

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
    from model.sub_actions import SubActionError, load_vocabulary

    source: Path | dict[str, Any]
    if isinstance(vocabulary, str):
        source = folder / vocabulary
        if not source.is_file():
            raise ConfigurationError(f"vocabulary: there is no file {source}")
    else:
        source = vocabulary
    try:
        return load_vocabulary(source).model_dump(mode="json")
    except SubActionError as error:
        raise ConfigurationError(f"vocabulary: {error}") from None


def _first_complaint(error: ValidationError) -> str:
    details = error.errors()
    # An unknown key is nearly always the cause of what else is wrong, so it is named first.
    detail = next((d for d in details if d["type"] == "extra_forbidden"), details[0])
    location = [str(part) for part in detail["loc"] if part not in ("str", "dict[str,any]")]
    key = ".".join(location)
    if detail["type"] == "extra_forbidden":
        known = _keys_of(location[:-1])
        close = get_close_matches(location[-1], known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
        return f"{key}: unknown key; {hint}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{key or 'configuration'}: {message[0].lower()}{message[1:]} (got {detail['input']!r:.80})"


def _keys_of(location: list[str]) -> list[str]:
    model: Any = Configuration
    for part in location:
        model = model.model_fields[part].annotation
    return sorted(model.model_fields)
