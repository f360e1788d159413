"""What may be searched: choices, integers and numbers, each possibly under a condition."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictStr, model_validator

from results.records.text import cell, is_number

MOST_CHECKED_INTEGERS = 64
ON_GRID = 1e-6  # in steps
MOST = 2**63 - 1  # of any whole number in a space file
LARGEST = 2**53  # beyond, floats are no longer exact, and the sampler computes with them


def _number(value: Any) -> Any:
    """Refuse text and booleans where a number is meant, and numbers without bounds."""
    if isinstance(value, str):
        hint = "; write it without quotes" if is_number(value) else ""
        raise ValueError(f"expected a number, found the text {value!r}{hint}")
    if isinstance(value, bool):
        raise ValueError(f"expected a number, found {value}")
    if isinstance(value, int) and abs(value) > MOST:
        raise ValueError(f"{value!r:.60} is too large")
    return value


def _choice_value(value: Any) -> Any:
    """Refuse what a table could not tell from another value, or not hold."""
    if not isinstance(value, bool | int | float | str):
        found = "nothing (null)" if value is None else f"{value!r:.60}"
        raise ValueError(f"expected a word, a number, true or false, found {found}")
    if isinstance(value, str) and is_number(value):
        raise ValueError(f"{value!r} is a number written as text; write it without quotes")
    if isinstance(value, str) and (not value or cell(value) != value):
        raise ValueError(f"{value!r:.60} cannot stand in a table; expected a text of one line, and not an empty one")
    if isinstance(value, int | float) and not abs(value) < LARGEST:
        raise ValueError(f"{value!r:.60} is not a number between -2**53 and 2**53")
    return value


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Integer = Annotated[int, BeforeValidator(_number)]
Scalar = Annotated[
    StrictBool | Annotated[int, Field(strict=True)] | Annotated[float, Field(strict=True)] | StrictStr,
    BeforeValidator(_choice_value),
]


class StrictModel(BaseModel):
    """Immutable; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Conditional(StrictModel):
    """What may be searched, and when.

    Attributes:
        when: Values of parameters that stand before this one, each one value or a list of them; only where all fit is
            this parameter searched, else it has the study's default. Empty: always.
    """

    when: dict[str, Scalar | tuple[Scalar, ...]] = Field(default_factory=dict, exclude_if=lambda when: not when)

    def applies(self, parameters: Mapping[str, Any]) -> bool:
        """Say whether this is searched beside the values of the parameters before it."""
        return all(name in parameters and parameters[name] in self.allowed(name) for name in self.when)

    def allowed(self, name: str) -> tuple[Any, ...]:
        """Return the values of another parameter with which this one is searched."""
        values = self.when[name]
        return values if isinstance(values, tuple) else (values,)


class Categorical(Conditional):
    """One value out of a list; `ordered` says that neighbours in the list are alike, as sizes are."""

    type: Literal["choice"]
    values: tuple[Scalar, ...] = Field(min_length=1)
    ordered: StrictBool = Field(False, exclude_if=lambda ordered: not ordered)

    @model_validator(mode="after")
    def _distinct(self) -> Categorical:
        for one, other in combinations(self.values, 2):
            if one == other or cell(one) == cell(other):
                both = f"{one!r} twice" if type(one) is type(other) else f"{one!r} and {other!r}, which are equal"
                raise ValueError(f"values has {both}; keep one")
        return self

    def corners(self) -> tuple[Any, ...]:
        """Return the values to be checked before the search."""
        return self.values

    def has(self, value: Any) -> bool:
        """Say whether a value is one of these."""
        return any(type(one) is type(value) and one == value for one in self.values)


class IntegerRange(Conditional):
    """An integer from low to high, both included; with `log` drawn evenly on a logarithmic scale."""

    type: Literal["int"]
    low: Integer
    high: Integer
    step: Annotated[Integer, Field(ge=1)] = 1
    log: StrictBool = Field(False, exclude_if=lambda log: not log)

    @model_validator(mode="after")
    def _ordered(self) -> IntegerRange:
        _check_order(self.low, self.high)
        if max(abs(self.low), abs(self.high)) > LARGEST:
            raise ValueError("low and high: expected whole numbers between -2**53 and 2**53")
        if self.log and self.low < 1:
            raise ValueError(f"low is {self.low}; log: true needs low >= 1")
        if self.log and self.step != 1:
            raise ValueError("step: a logarithmic scale has none; leave it out, or take log: false or type choice")
        return self

    def corners(self) -> tuple[int, ...]:
        """Return the values to be checked before the search: all where they are few, else both ends."""
        values = range(self.low, self.high + 1, self.step)
        return tuple(values) if len(values) <= MOST_CHECKED_INTEGERS else (values[0], values[-1])

    def has(self, value: Any) -> bool:
        """Say whether a value is one of these."""
        return isinstance(value, int) and value in range(self.low, self.high + 1, self.step)


class FloatRange(Conditional):
    """A number from low to high; with type `log` drawn evenly on a logarithmic scale.

    With `step` only low, low + step, ... up to high.
    """

    type: Literal["float", "log"]
    low: Number
    high: Number
    step: Annotated[Number, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> FloatRange:
        _check_order(self.low, self.high)
        if not math.isfinite(self.high - self.low):
            raise ValueError("low and high: are too far apart")
        if self.step is not None and self.type == "log":
            raise ValueError("step: a logarithmic scale has none; leave it out, or take type float or choice")
        if self.step is not None and self.step > self.high - self.low:
            raise ValueError(f"step: {self.step:g} is more than high - low")
        if self.type == "log" and self.low <= 0:
            raise ValueError(f"low is {self.low:g}; a log range needs low > 0")
        return self

    def corners(self) -> tuple[float, ...]:
        """Return the values to be checked before the search."""
        return (self.low, self.high)

    def has(self, value: Any) -> bool:
        """Say whether a value lies in the range, on its grid where there is a step."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return abs(steps - round(steps)) < ON_GRID


Parameter = Annotated[Categorical | IntegerRange | FloatRange, Field(discriminator="type")]


def _check_order(low: float, high: float) -> None:
    if low >= high:
        raise ValueError(f"low is {low:g} and high is {high:g}; expected low < high")
