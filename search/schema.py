"""A search space: what is searched, judged, kept fixed, and how much may be spent on it.

Owns the typed, frozen description and its checks. Reading it from a file, with messages that name the file, is in
`search.space`. Nothing here loads torch or ray, so that a typo is refused at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictStr, model_validator

from results.objectives import Guard, Objective

MOST_CHECKED_INTEGERS = 64
RESERVED = ("epochs", "seed", "threads")


def _number(value: Any) -> Any:
    """Refuse text and booleans where a number is meant."""
    if isinstance(value, str):
        raise ValueError(f"expected a number, found the text {value!r}{_number_hint(value)}")
    if isinstance(value, bool):
        raise ValueError(f"expected a number, found {value}")
    return value


def _number_hint(text: str) -> str:
    """Say how to write a number that YAML reads as text: its numbers need a dot before the exponent."""
    try:
        number = float(text)
    except ValueError:
        return ""
    if "e" not in text.lower() or "." in text:
        return "; write it without quotes"
    mantissa, exponent = text.lower().split("e")
    return f"; YAML reads this as text, write {mantissa}.0e{exponent}" if number else "; write it as 0.0"


def _choice_value(value: Any) -> Any:
    if isinstance(value, str) and _number_hint(value) and '"' not in value:
        raise ValueError(f"{value!r} is a number written as text{_number_hint(value)}")
    return value


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Integer = Annotated[int, BeforeValidator(_number)]
Scalar = Annotated[
    StrictBool | Annotated[int, Field(strict=True)] | Annotated[float, Field(strict=True)] | StrictStr,
    BeforeValidator(_choice_value),
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Choice(_Frozen):
    """One value out of a list."""

    type: Literal["choice"]
    values: tuple[Scalar, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> Choice:
        for one, other in combinations(self.values, 2):
            if type(one) is type(other) and one == other:
                raise ValueError(f"values has {one!r} twice; keep one")
        return self

    def corners(self) -> tuple[Any, ...]:
        """Return the values to be checked before the search."""
        return self.values


class IntegerRange(_Frozen):
    """An integer from low to high, both included."""

    type: Literal["int"]
    low: Integer
    high: Integer
    step: Annotated[Integer, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _ordered(self) -> IntegerRange:
        _check_order(self.low, self.high)
        return self

    def corners(self) -> tuple[int, ...]:
        """Return the values to be checked before the search: all where they are few, else both ends."""
        values = range(self.low, self.high + 1, self.step)
        return tuple(values) if len(values) <= MOST_CHECKED_INTEGERS else (values[0], values[-1])


class FloatRange(_Frozen):
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


Parameter = Annotated[Choice | IntegerRange | FloatRange, Field(discriminator="type")]


class Budget(_Frozen):
    """How much may be spent.

    Attributes:
        trials: Trials that end, failed ones included.
        epochs: Epochs of each trial.
        wall_clock_s: Seconds after which no trial is begun any more, counted anew by each resumption; None: no limit.
        evaluate_every: Epochs between two evaluations within a trial; None evaluates about ten times per trial.
    """

    trials: Annotated[Integer, Field(ge=1)]
    epochs: Annotated[Integer, Field(ge=1)]
    wall_clock_s: Annotated[Number, Field(gt=0)] | None = None
    evaluate_every: Annotated[Integer, Field(ge=1)] | None = None

    @property
    def evaluation_epochs(self) -> int:
        """Epochs between two evaluations within a trial."""
        return self.evaluate_every or max(1, -(-self.epochs // 10))


class Halving(_Frozen):
    """Early stopping by asynchronous successive halving; a space without it trains every trial in full.

    Attributes:
        first_rung: Epochs after which trials are first compared.
        reduction: η: the best 1/η of what was seen at a rung go on, and each rung is η times as late as the last.
        startup_trials: So many trials pass each rung whatever their values.
    """

    first_rung: Annotated[Integer, Field(ge=1)]
    reduction: Annotated[Number, Field(gt=1)] = 2.0
    startup_trials: Annotated[Integer, Field(ge=0)] = 4

    def rungs(self, epochs: int) -> tuple[int, ...]:
        """Return the epochs at which trials of so many epochs are compared; never the last."""
        at, found = float(self.first_rung), []
        while round(at) < epochs:
            found.append(round(at))
            at *= self.reduction
        return tuple(dict.fromkeys(found))


class Resources(_Frozen):
    """What one trial gets, and how many run at a time; None is found out before the search."""

    cpus: Annotated[Integer, Field(ge=1)] | None = None
    gpus: Annotated[Number, Field(ge=0)] | None = None
    slots: Annotated[Integer, Field(ge=1)] | None = None


class Sampler(_Frozen):
    """Who proposes.

    Attributes:
        name: `tpe` (tree-structured Parzen estimators), `gp` (Gaussian processes, expected hypervolume improvement),
            `nsga2` and `nsga3` (evolution) learn from the trials so far; `qmc` (scrambled Sobol points) and `random`
            do not.
        startup_trials: Random trials before `tpe` and `gp` begin to learn.
        population: Trials of one generation of `nsga2` and `nsga3`.
    """

    name: Literal["tpe", "gp", "nsga2", "nsga3", "qmc", "random"] = "tpe"
    startup_trials: Annotated[Integer, Field(ge=1)] = 10
    population: Annotated[Integer, Field(ge=2)] = 20


class Space(_Frozen):
    """A search space, complete."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$")
    study: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    seed: Annotated[Integer, Field(ge=0)] = 0
    parameters: dict[str, Parameter] = Field(min_length=1)
    fixed: dict[str, Any] = {}
    objectives: tuple[Objective, ...] = Field(min_length=1)
    guards: tuple[Guard, ...] = ()
    budget: Budget
    resources: Resources = Resources()
    sampler: Sampler = Sampler()
    halving: Halving | None = None

    @model_validator(mode="after")
    def _names_fit(self) -> Space:
        for kind in ("name", "metric"):
            values = [getattr(objective, kind) for objective in self.objectives]
            twice = [value for value in values if values.count(value) > 1]
            if twice:
                raise ValueError(f"objectives: two objectives have the {kind} {twice[0]!r}; rename or remove one")
        for one, other in combinations(sorted(self.parameters), 2):
            if other.startswith(f"{one}."):
                raise ValueError(f"parameters.{other}: lies inside the parameter {one!r}; remove one of the two")
        for name in self.parameters:
            if name.split(".")[0] in RESERVED:
                raise ValueError(f"parameters.{name}: is set by the search itself; remove it")
            if _has(self.fixed, name):
                raise ValueError(f"parameters.{name}: is also given under fixed; remove it from one of the two")
        for key in RESERVED:
            if key in self.fixed:
                place = {"epochs": "budget.epochs", "seed": "seed", "threads": "resources.cpus"}[key]
                raise ValueError(f"fixed.{key}: is set by the search itself; give {place} instead")
        if self.halving and not self.halving.rungs(self.budget.epochs):
            raise ValueError(
                f"halving.first_rung: is {self.halving.first_rung}, but trials have {self.budget.epochs} epochs in "
                "all; take fewer, or leave halving out"
            )
        return self

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs after which trials are compared and may be stopped; none without halving."""
        return self.halving.rungs(self.budget.epochs) if self.halving else ()

    def evaluates(self, epoch: int) -> bool:
        """Say whether a trial is evaluated after an epoch: at regular intervals, at each rung and at the end."""
        budget = self.budget
        return epoch % budget.evaluation_epochs == 0 or epoch in self.rungs or epoch == budget.epochs

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that every trial has to measure: those of objectives and guards."""
        return tuple(dict.fromkeys([x.metric for x in self.objectives] + [x.metric for x in self.guards]))

    def configuration(self, parameters: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """Return the complete configuration of a trial.

        Args:
            parameters: Value of each parameter by its dotted name.
            seed: The trial's own seed.
        """
        values = deepcopy(self.fixed)
        for name, value in parameters.items():
            place = values
            *parents, last = name.split(".")
            for key in parents:
                if not isinstance(place.setdefault(key, {}), dict):
                    place[key] = {}
                place = place[key]
            place[last] = value
        return {**values, "epochs": self.budget.epochs, "seed": seed, "threads": self.resources.cpus or 1}

    def trial_seed(self, trial: int) -> int:
        """Return the seed of a trial; no two trials share one, so the same point twice is a replicate."""
        return self.seed + trial

    def corners(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each value worth checking as (parameter, parameters), the others at their first value."""
        first = {name: parameter.corners()[0] for name, parameter in self.parameters.items()}
        for name, parameter in self.parameters.items():
            for value in parameter.corners():
                yield name, {**first, name: value}

    def document(self) -> dict[str, Any]:
        """Return the space as it is written to a file; reading that file gives this space again."""
        values = self.model_dump(mode="json", exclude_none=True, exclude={"guards"})
        values["guards"] = {
            guard.metric: guard.model_dump(exclude={"metric"}, exclude_none=True) for guard in self.guards
        }
        return values


def _check_order(low: float, high: float) -> None:
    if low >= high:
        raise ValueError(f"low is {low:g} and high is {high:g}; expected low < high")


def _has(values: Any, dotted: str) -> bool:
    for key in dotted.split("."):
        if not isinstance(values, Mapping) or key not in values:
            return False
        values = values[key]
    return True
