"""What may be searched: choices, integers and numbers, each possibly under a condition."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, model_validator

from results.records.numbers import Integer, Number
from results.records.text import cell, is_number, recorded

MOST_CHECKED_INTEGERS = 64
ON_GRID = 1e-6  # in steps
LARGEST = 2**53  # beyond, floats are no longer exact, and the sampler computes with them


def _choice_value(value: Any) -> Any:
    """Refuse what a table could not tell from another value, or not hold."""
    if isinstance(value, list):
        return [_choice_value(inner) for inner in value]
    if value is not None and not isinstance(value, bool | int | float | str):
        raise ValueError(f"expected a word, a number, true, false, null or a list of these, found {value!r:.60}")
    if isinstance(value, str) and is_number(value):
        raise ValueError(f"{value!r} is a number written as text; write it without quotes or underscores")
    if isinstance(value, str) and (not value or cell(value) != value):
        raise ValueError(f"{value!r:.60} cannot stand in a table; expected a text of one line, and not an empty one")
    if isinstance(value, int | float) and not abs(value) < LARGEST:
        raise ValueError(f"{value!r:.60} is not a number between -2**53 and 2**53")
    return value


def _listed(values: Any) -> Any:
    return values if isinstance(values, list | tuple) else [values]


Value = Annotated[Any, BeforeValidator(_choice_value)]
Values = Annotated[tuple[Value, ...], Field(min_length=1)]


class StrictModel(BaseModel):
    """Immutable; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Conditional(StrictModel):
    """What may be searched, and when.

    Attributes:
        when: Values of parameters that stand before this one, in a file one value or a list of them; only where all fit
            is this parameter searched, else it has the study's default. Empty: always.
    """

    when: dict[str, Annotated[Values, BeforeValidator(_listed)]] = Field(
        default_factory=dict, exclude_if=lambda when: not when
    )

    def applies(self, parameters: Mapping[str, Any]) -> bool:
        """Say whether this is searched beside the values of the parameters before it."""
        return all(
            name in parameters and recorded(parameters[name]) in map(recorded, values)
            for name, values in self.when.items()
        )

    def configured(self, value: Any) -> Any:
        """Return a value of the search as a configuration has it."""
        return value


class Categorical(Conditional):
    """One value out of a list; `ordered` says that neighbours in the list are alike, as sizes are.

    Samplers, journal and tables can hold neither null nor lists: the search has them as text, `recorded_values`, and
    only a configuration as they are.
    """

    type: Literal["choice"]
    values: Values
    ordered: StrictBool = Field(False, exclude_if=lambda ordered: not ordered)

    @model_validator(mode="after")
    def _distinct(self) -> Categorical:
        for one, other in combinations(self.values, 2):
            if one == other or cell(recorded(one)) == cell(recorded(other)):
                both = f"{one!r} twice" if repr(one) == repr(other) else f"{one!r} and {other!r}, which are equal"
                raise ValueError(f"values has {both}; keep one")
        return self

    @property
    def recorded_values(self) -> tuple[Any, ...]:
        """The values as the search has them, in their order."""
        return tuple(map(recorded, self.values))

    def configured(self, value: Any) -> Any:
        """Return a value of the search as a configuration has it."""
        return deepcopy(next((one for one in self.values if recorded(one) == value), value))

    def corners(self) -> tuple[Any, ...]:
        """Return the values to be checked before the search."""
        return self.recorded_values

    def has(self, value: Any) -> bool:
        """Say whether a value, as a file has it, is one of these."""
        return any(type(one) is type(value) and recorded(one) == recorded(value) for one in self.values)


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
        if self.step > self.high - self.low:
            raise ValueError(f"step: {self.step} is more than high - low")
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
        if self.step is not None and (self.high - self.low) / self.step > LARGEST:
            raise ValueError(f"step: {self.step:g} is too small for a range of {self.high - self.low:g}")
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
