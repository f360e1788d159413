"""The sections of a configuration: data, merging of phrases, sizes, windows, loss weights, alignment and training.

Each has its checks; `model.configuration.reading` puts them together. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from model.configuration.layout import Layout, patch_layout
from model.dataset.sources import DataSource
from model.sub_actions.tree import Linkage

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Weight = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Frozen(BaseModel):
    """Immutable; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Section(Frozen):
    """A part of a configuration; a word or a truth value where a number is meant is an error as well."""

    @field_validator("*", mode="before")
    @classmethod
    def _is_of_its_kind(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse what pydantic would turn into a number, or into true or false."""
        kinds = set(_kinds(cls.model_fields[str(info.field_name)].annotation))
        if kinds <= {int, float, type(None)} and isinstance(value, bool | str):
            raise ValueError("expected a number")
        if kinds <= {bool, type(None)} and value is not None and not isinstance(value, bool):
            raise ValueError("expected true or false")
        return value


def _kinds(annotation: Any) -> Iterator[Any]:
    """Yield the types that an annotation stands for."""
    if get_origin(annotation) is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for kind in get_args(annotation):
            yield from _kinds(kind)
    else:
        yield annotation


class Merging(Section):
    """How the phrases of all classes become sub-actions."""

    linkage: Linkage = Field("average", description="similarity of two groups: the mean over pairs, least or largest")
    keep_opposites_apart: bool | None = Field(
        None, description="never puts opposites in one sub-action; None: unless linkage is single, which cannot"
    )

    @model_validator(mode="after")
    def _can_keep_apart(self) -> Merging:
        if self.keep_opposites_apart and self.linkage == "single":
            raise ValueError("keep_opposites_apart: needs linkage average or complete, not single; leave it out")
        return self

    @property
    def apart(self) -> bool:
        """Whether opposites are kept apart."""
        return self.linkage != "single" if self.keep_opposites_apart is None else self.keep_opposites_apart


class Architecture(Section):
    """Sizes of the signal path; the names in brackets are those of the VQShape paper."""

    length: Count | Literal["native"] = Field(512, description="samples a recording is resampled to (T), or left as is")
    channels: Literal["independent", "separate", "fused"] = Field(
        "separate", description="tokens of each channel by itself, of each beside the others, or of all together"
    )
    patches: Count | None = Field(None, description="patches per channel (P); None follows from their size, or is 64")
    patch_samples: Count | None = Field(None, description="samples of a patch; None follows from their number")
    tokens: Count = Field(32, description="shape tokens per channel, or per recording where channels are fused (N)")
    width: Count = Field(64, description="token width (D)")
    heads: Count = 4
    encoder_layers: Count = 2
    tokenizer_layers: Count = 2
    decoder_layers: Count = 2
    expansion: Count = Field(2, description="hidden width of the feed-forward blocks, in units of width")
    shape_samples: Annotated[int, Field(ge=2)] = Field(64, description="samples of one decoded shape")
    shape_hidden: Count = Field(128, description="width of the shape decoder")
    code_dim: Count = Field(16, description="width of one code (d)")
    levels: Literal["none", "scale", "both"] = Field(
        "scale", description="what the encoder is told of a series before normalisation; both: its offset too"
    )
    dropout: Fraction = 0.0

    @field_validator("length", mode="before")
    @classmethod
    def _samples_or_native(cls, value: Any) -> Any:
        if value != "native" and not (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
            raise ValueError("expected a number of samples, 1 or more, or native")
        return value

    @model_validator(mode="after")
    def _sizes_fit(self) -> Architecture:
        if self.length != "native":
            self.layout()
        if self.width % self.heads:
            raise ValueError(f"width: {self.width} is not a multiple of heads {self.heads}")
        return self

    def layout(self, samples: int | None = None) -> Layout:
        """Return how a series of so many samples is cut into patches; None takes `length`, which must then be a number.

        Raises:
            ValueError: Patches or tokens do not fit series of this length, or `length` asks for another; begins with
                the key that is wrong.
        """
        if samples is None and self.length == "native":
            raise ValueError("length: native is known with the data alone, and no data were given")
        samples = samples or int(self.length)
        if self.length not in ("native", samples):
            raise ValueError(f"length: {self.length} is asked for, but the series have {samples} samples")
        if self.tokens > samples:
            raise ValueError(f"tokens: {self.tokens} are more than the samples of a series of length {samples}")
        return patch_layout(samples, self.patches, self.patch_samples)


class Windows(Section):
    """Where a token's window may lie: around its anchor t = n (1 − l) / (N − 1), l = 2 / N, or anywhere."""

    placement: Literal["anchored", "free"] = "anchored"
    shift: Weight = Field(1.0, description="how far a start may move from its anchor, in units of 1 / N")
    stretch: Annotated[float, Field(ge=1.0)] = Field(1.4, description="l within [2 / N / stretch, 2 / N · stretch]")
    held_fraction: Fraction = Field(0.3, description="share of the epochs before windows learn to move")


class LossWeights(Section):
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


class Alignment(Section):
    """The text path and how it meets the signal."""

    key: Literal["shared", "own"] = Field(
        "shared", description="soft labels to train towards: of the run's answer key, or of the trial's own attention"
    )
    key_steps: Annotated[int, Field(ge=0)] = Field(800, description="steps in which the answer key is trained")
    width: Count = Field(64, description="width of the shared projection")
    heads: Count = 4
    attention_temperature: Annotated[float, Field(gt=0.0)] = Field(0.1, description="of the cosine attention")
    contrastive_temperature: Annotated[float, Field(gt=0.0)] = 0.1
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.99, description="of the moving-average aligner, with key: own"
    )

    @model_validator(mode="after")
    def _heads_fit(self) -> Alignment:
        if self.width % self.heads:
            raise ValueError(f"width: {self.width} is not a multiple of heads {self.heads}")
        return self


class Stage(Section):
    """A part of a training that goes on with another weight."""

    action_weight: Annotated[float, Field(gt=0.0, lt=1.0)]
    epochs: Count


class Training(Section):
    """The optimiser and the schedule."""

    batch_size: Count = Field(8, description="recordings per step")
    accumulate: Count = Field(1, description="micro-batches that a step is cut into to save memory")
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-3
    weight_decay: Weight = 0.01
    warmup_fraction: Fraction = Field(0.05, description="share of the steps in which the learning rate rises")
    unquantized_fraction: Fraction = Field(0.3, description="share of the epochs before codes are used")
    gradient_clip: Annotated[float, Field(gt=0.0)] = 1.0
    mask_fraction: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.0, description="share of the patches hidden in training"
    )
    roll: Annotated[float, Field(ge=0.0, le=0.5)] = Field(
        0.2, description="share of a recording by which its beginning moves at most; 0.5 is anywhere"
    )
    wordings: Literal["first", "drawn"] = Field(
        "first", description="which wording of a phrase a step reads, where the vocabulary gives several"
    )
    revive_below: Weight = Field(0.1, description="a code used less than this share of 1 / J is moved; 0 never")

    @model_validator(mode="after")
    def _micro_batches_have_pairs(self) -> Training:
        if self.accumulate > 1 and 2 * self.accumulate > self.batch_size:
            raise ValueError(
                f"accumulate: {self.accumulate} micro-batches of a batch_size of {self.batch_size} have less than two "
                "recordings each, and the contrastive loss has nothing to compare; take fewer, or a larger batch_size"
            )
        return self


class Data(Section):
    """The data set and its split."""

    source: DataSource = Field(default_factory=lambda: DataSource(name="BasicMotions"))
    validation_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.25
    split_seed: int | Literal["drawn"] = Field(
        0,
        description="decides which recordings are held out; drawn: each training's seed does, for validation",
    )

    @property
    def shared_seed(self) -> int:
        """Return the seed of the split that all trainings share; where each draws its own, of what it is drawn from."""
        return self.split_seed if isinstance(self.split_seed, int) else 0

    @field_validator("split_seed", mode="before")
    @classmethod
    def _number_or_drawn(cls, value: Any) -> Any:
        if value != "drawn" and not (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
            raise ValueError("expected a whole number, 0 or more, or drawn")
        return value

    @model_validator(mode="before")
    @classmethod
    def _source_keys_may_stand_here(cls, value: Any) -> Any:
        """Read `data: {name: BasicMotions}` as short for `data: {source: {name: BasicMotions}}`."""
        if isinstance(value, Mapping) and "source" not in value:
            own = {k: v for k, v in value.items() if k in cls.model_fields}
            source = {k: v for k, v in value.items() if k not in cls.model_fields}
            return {**own, "source": source} if source else own
        return value
