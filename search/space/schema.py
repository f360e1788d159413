"""A search space: what is searched, judged, kept fixed, and how much may be spent on it.

These models check what can be checked without the file and the study; `search.space.reading` reads them from a file,
with messages that name it. Nothing here loads torch or ray, so that a typo is refused at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, model_validator

from results.records.numbers import Integer, Number
from results.records.objectives import LONGEST_NAME, NAME, Guard, Objective
from results.records.tables import LINE
from results.records.text import ARROW, recorded
from search.space.checks import check_conditions, check_fixed, check_names, check_start
from search.space.parameters import Categorical, FloatRange, Parameter, StrictModel
from search.space.resources import Resources

RESERVED = ("epochs", "seed", "threads")
CLASS = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"  # `module:class`
SAMPLERS = ("tpe", "gp", "nsga2", "nsga3", "qmc", "random")
HOOK = r"^[^\x00-\x1f]*[^\x00-\x20][^\x00-\x1f]*$"  # a line with something on it
LARGEST_SEED = 2**62  # trials add their numbers to it
MOST_TRIALS = 10_000_000


class Budget(StrictModel):
    """How much may be spent.

    Attributes:
        trials: Trials that end, failed ones included.
        epochs: Epochs of each trial.
        wall_clock_s: Seconds after which no trial is begun any more, counted anew by each resumption; None: no limit.
        wall_clock_hard: Whether trials under way are interrupted then, to go on from their checkpoints.
        trial_wall_clock_s: Seconds of work after which a trial is stopped, at the end of its epoch; None: no limit.
        max_failures: A search ends early when more trials than this have failed; None: no limit.
        evaluate_every: Epochs between two evaluations within a trial; None evaluates about ten times per trial.
        replicates: Seeds that each point on and near the front has in the end, trained after the trials; 1 trains
            none again.
        checkpoint_every_s: Least seconds between two checkpoints of a trial: about what a killed worker costs; 0 after
            every epoch.
        hung_after_s: Seconds without news after which a worker counts as hung and is replaced; None: 600, or 20 times
            the longest epoch seen on its slot, whichever is longer, and 3600 before one has ended there.
    """

    trials: Annotated[Integer, Field(ge=1, le=MOST_TRIALS)]
    epochs: Annotated[Integer, Field(ge=1)]
    wall_clock_s: Annotated[Number, Field(gt=0)] | None = None
    wall_clock_hard: StrictBool = Field(False, exclude_if=lambda hard: not hard)
    trial_wall_clock_s: Annotated[Number, Field(gt=0)] | None = None
    max_failures: Annotated[Integer, Field(ge=0)] | None = None
    evaluate_every: Annotated[Integer, Field(ge=1)] | None = None
    replicates: Annotated[Integer, Field(ge=1, exclude_if=lambda seeds: seeds == 1)] = 1
    checkpoint_every_s: Annotated[Number, Field(ge=0)] = 30.0
    hung_after_s: Annotated[Number, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _has_a_clock(self) -> Budget:
        if self.wall_clock_hard and self.wall_clock_s is None:
            raise ValueError("wall_clock_hard: only counts with wall_clock_s; give both, or none")
        return self

    @property
    def evaluation_epochs(self) -> int:
        """Epochs between two evaluations within a trial."""
        return self.evaluate_every or max(1, -(-self.epochs // 10))


class HalvingSettings(StrictModel):
    """Early stopping by asynchronous successive halving; a space without it trains every trial in full.

    Attributes:
        first_rung: Epochs after which trials are first compared.
        reduction: η: the best 1/η of what was seen at a rung go on, and each rung is η times as late as the last.
        startup_trials: So many trials pass each rung whatever their values.
    """

    first_rung: Annotated[Integer, Field(ge=1)]
    reduction: Annotated[Number, Field(ge=1.1)] = 2.0
    startup_trials: Annotated[Integer, Field(ge=0)] = 4

    def rungs(self, epochs: int) -> tuple[int, ...]:
        """Return the epochs at which trials of so many epochs are compared; never the last."""
        at, found = float(self.first_rung), []
        while round(at) < epochs:
            found.append(round(at))
            at *= self.reduction
        return tuple(dict.fromkeys(found))


class Sampler(StrictModel):
    """Who proposes.

    Attributes:
        name: `tpe` (tree-structured Parzen estimators), `gp` (Gaussian processes, expected hypervolume improvement),
            `nsga2` and `nsga3` (evolution) learn from the trials so far; `qmc` (scrambled Sobol points) and `random`
            do not. Any other of Optuna's kind as `module:class`; it is made anew for each proposal.
        startup_trials: Random trials before `tpe` and `gp` begin to learn.
        population: Trials of one generation of `nsga2` and `nsga3`.
        arguments: Of a `module:class`, beside its `seed`.
    """

    name: str = "tpe"
    startup_trials: Annotated[Integer, Field(ge=1)] = 10
    population: Annotated[Integer, Field(ge=2)] = 20
    arguments: dict[str, Any] = Field({}, exclude_if=lambda arguments: not arguments)

    @model_validator(mode="after")
    def _is_one(self) -> Sampler:
        if self.name not in SAMPLERS and not re.match(CLASS, self.name):
            close = get_close_matches(self.name, SAMPLERS, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(
                f"name: is {self.name!r:.60}; expected one of {', '.join(SAMPLERS)}, or module:class{hint}"
            )
        if self.arguments and self.name in SAMPLERS:
            raise ValueError(f"arguments: only count for a module:class, not for {self.name}")
        return self

    @property
    def is_ours(self) -> bool:
        """Whether it is one of those that have a name here."""
        return self.name in SAMPLERS


class Sweep(StrictModel):
    """Finished trainings go on at another value of a parameter, and from there again: lines.

    Attributes:
        parameter: A range of the space that the study can change in mid-training.
        factors: By each of them the value is multiplied; a line goes on by the factor of its first step.
        steps: Amounts that are added instead.
        epochs: Of each step of a line.
        most: Steps of a line at most.
        of: `front`: what is on the front goes on, when there is a slot for it; `all`: every finished training.
    """

    parameter: str
    factors: tuple[Annotated[Number, Field(gt=0)], ...] = Field((), exclude_if=lambda factors: not factors)
    steps: tuple[Number, ...] = Field((), exclude_if=lambda steps: not steps)
    epochs: Annotated[Integer, Field(ge=1)]
    most: Annotated[Integer, Field(ge=1)] = 4
    of: Literal["front", "all"] = "front"

    @model_validator(mode="after")
    def _moves(self) -> Sweep:
        if bool(self.factors) == bool(self.steps):
            raise ValueError("expected either factors or steps, such as factors: [0.6, 1.4]")
        if any(self.moved(1.0, factor) == 1.0 for factor in self.factors) or 0.0 in self.steps:
            raise ValueError("a factor of 1 or a step of 0 leaves the value where it is; take another")
        if len({*self.amounts}) < len(self.amounts):
            raise ValueError("an amount is given twice; keep one")
        return self

    @property
    def amounts(self) -> tuple[float, ...]:
        """What moves a value: the factors, or else the steps."""
        return self.factors or self.steps

    def moved(self, value: float, amount: float) -> float:
        """Return a value moved by one of the amounts, with six digits."""
        return float(f"{value * amount if self.factors else value + amount:.6g}")


class Track(StrictModel):
    """Where else trials are logged, beside the run folder.

    Attributes:
        tensorboard: Event files in `tensorboard/` of the run folder, one folder per trial.
        mlflow: Tracking URI of MLflow, such as `sqlite:///mlruns.db` or `http://host:5000`.
        wandb: Project of Weights & Biases.
        callbacks: Classes of Tune's `LoggerCallback`, each as `module:class`, made without arguments.
    """

    tensorboard: StrictBool = True
    mlflow: str | None = None
    wandb: str | None = None
    callbacks: tuple[Annotated[str, Field(pattern=CLASS)], ...] = Field((), exclude_if=lambda names: not names)

    @model_validator(mode="after")
    def _calls_each_once(self) -> Track:
        if twice := [name for name in self.callbacks if self.callbacks.count(name) > 1]:
            raise ValueError(f"callbacks: {twice[0]} is given twice; keep one")
        return self


Hook = Annotated[str, Field(pattern=HOOK)]


class Hooks(StrictModel):
    """What is called when something has come of the search: each a command for the shell, or a URL.

    Attributes:
        on_end: When it has ended, however.
        on_failure: When trials have failed.
        on_front: When there is a new point on the front.
    """

    on_end: Hook | None = None
    on_failure: Hook | None = None
    on_front: Hook | None = None


class Space(StrictModel):
    """A search space, complete."""

    name: str = Field(pattern=NAME, max_length=LONGEST_NAME)
    study: str = Field(pattern=CLASS)
    seed: Annotated[Integer, Field(ge=0, le=LARGEST_SEED)] = 0
    parameters: dict[str, Parameter] = Field(min_length=1)
    fixed: dict[str, Any] = Field(default_factory=dict)
    objectives: tuple[Objective, ...] = Field(min_length=1)
    guards: tuple[Guard, ...] = ()
    budget: Budget
    resources: Resources = Resources()
    sampler: Sampler = Sampler()
    halving: HalvingSettings | None = None
    sweep: Sweep | None = None
    track: Track = Field(Track(), exclude_if=lambda track: track == Track())
    hooks: Hooks = Field(Hooks(), exclude_if=lambda hooks: hooks == Hooks())
    keep_models: Literal["all", "front"] = Field(
        "all",
        description="whose models stay in the run folder: of all finished trials, or of those on and near the front",
        exclude_if=lambda kept: kept == "all",
    )
    batch: Annotated[Integer, Field(ge=1)] | None = Field(
        None, description="trials proposed together, so that no proposal depends on which of them ends first"
    )
    start: tuple[dict[str, Any], ...] = Field(
        (),
        description="points tried first; what a point leaves out is sampled",
        exclude_if=lambda points: not points,
    )

    @model_validator(mode="after")
    def _names_fit(self) -> Space:
        for kind in ("name", "metric"):
            values = [getattr(objective, kind) for objective in self.objectives]
            twice = [value for value in values if values.count(value) > 1]
            if twice:
                raise ValueError(f"objectives: two objectives have the {kind} {twice[0]!r}; rename or remove one")
        for name in self.parameters:
            if name.split(".")[0] in RESERVED:
                raise ValueError(f"parameters.{name}: is set by the search itself; remove it")
        check_names(self.parameters, [objective.metric for objective in self.objectives])
        check_conditions(self.parameters)
        check_start(self.start, self.parameters)
        check_fixed(self.fixed, self.parameters)
        for key in RESERVED:
            if key in self.fixed:
                place = {"epochs": "budget.epochs", "seed": "seed outside of fixed", "threads": "resources.cpus"}[key]
                raise ValueError(f"fixed.{key}: is set by the search itself; give {place} instead")
        if self.sweep:
            self._check_sweep(self.sweep)
        if self.halving and not self.halving.rungs(self.budget.epochs):
            raise ValueError(
                f"halving.first_rung: is {self.halving.first_rung}, but trials have {self.budget.epochs} epochs in "
                "all; take fewer, or leave halving out"
            )
        return self

    def _check_sweep(self, sweep: Sweep) -> None:
        swept = self.parameters.get(sweep.parameter)
        if swept is None:
            close = get_close_matches(sweep.parameter, self.parameters, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(self.parameters)}"
            raise ValueError(f"sweep.parameter: {sweep.parameter!r} is not searched; {hint}")
        if isinstance(swept, Categorical):
            raise ValueError(f"sweep.parameter: {sweep.parameter} is a choice; only a range has values to go on to")

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs after which trials are compared and may be stopped; none without halving."""
        return self.halving.rungs(self.budget.epochs) if self.halving else ()

    def evaluates(self, epoch: int) -> bool:
        """Say whether a trial is evaluated after an epoch: at regular intervals, at each rung and at each end."""
        budget, beyond = self.budget, epoch - self.budget.epochs
        at_end = beyond == 0 or (self.sweep is not None and beyond > 0 and beyond % self.sweep.epochs == 0)
        return epoch % budget.evaluation_epochs == 0 or epoch in self.rungs or at_end

    @property
    def columns(self) -> tuple[str, ...]:
        """What tells points apart: the parameters, and with a sweep the line."""
        return (*self.parameters, *([LINE] if self.sweep else []))

    def line_values(self, parameters: Mapping[str, Any]) -> tuple[float, ...]:
        """Return the values of the swept parameter one after another; one for a training that has not gone on."""
        assert self.sweep is not None, "without a sweep there are no lines"
        end = parameters[self.sweep.parameter]
        if LINE not in parameters:
            return (end,)
        return (*(type(end)(text) for text in parameters[LINE].split(ARROW)[:-1]), end)

    def with_line(self, parameters: Mapping[str, Any], values: Sequence[float]) -> dict[str, Any]:
        """Return the parameters of a training that goes through these values."""
        assert self.sweep is not None, "without a sweep there are no lines"
        plain = {name: value for name, value in parameters.items() if name != LINE}
        line = {LINE: ARROW.join(map(repr, values))} if len(values) > 1 else {}
        return {**plain, self.sweep.parameter: values[-1], **line}

    def before(self, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the parameters of the training from which a line goes on; None for one that is no line."""
        return self.with_line(parameters, self.line_values(parameters)[:-1]) if LINE in parameters else None

    def in_range(self, name: str, value: float) -> Any:
        """Return the value of a range that is nearest to a number, or None where that lies outside."""
        swept = self.parameters[name]
        assert not isinstance(swept, Categorical), "a choice has no range"
        if swept.step is not None:
            value = swept.low + round((value - swept.low) / swept.step) * swept.step
        value = float(f"{value:.6g}") if isinstance(swept, FloatRange) else round(value)
        return value if swept.has(value) else None

    def epochs_of(self, parameters: Mapping[str, Any]) -> int:
        """Return the epochs of a trial from nothing."""
        steps = len(self.line_values(parameters)) - 1 if LINE in parameters else 0
        return self.budget.epochs + (steps * self.sweep.epochs if self.sweep else 0)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that every trial has to measure: those of objectives and guards."""
        return tuple(dict.fromkeys([x.metric for x in self.objectives] + [x.metric for x in self.guards]))

    def configuration(self, parameters: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """Return the complete configuration of a trial.

        That of a line has `stages`: the values that it goes through, each with its epochs.

        Args:
            parameters: Value of each parameter by its dotted name, as `TrialRequest` has it, and the line of one.
            seed: The trial's own seed.
        """
        values = deepcopy(self.fixed)
        if self.sweep is not None and LINE in parameters:
            first, *later = self.line_values(parameters)
            stages = [(first, self.budget.epochs), *((value, self.sweep.epochs) for value in later)]
            values["stages"] = [{self.sweep.parameter: value, "epochs": epochs} for value, epochs in stages]
        for name, value in parameters.items():
            if name == LINE and self.sweep is not None:
                continue
            place = values
            *parents, last = name.split(".")
            for key in parents:
                if not isinstance(place.setdefault(key, {}), dict):
                    place[key] = {}
                place = place[key]
            place[last] = self.parameters[name].configured(value)
        return {**values, "epochs": self.epochs_of(parameters), "seed": seed, "threads": self.resources.planned.cpus}

    def trial_seed(self, trial: int) -> int:
        """Return the seed from which a trial takes the first that its point has not had."""
        return self.seed + trial

    def active(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters that are searched beside one another, without those whose condition is not met."""
        kept: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if name in parameters and parameter.applies(kept):
                kept[name] = parameters[name]
        return kept

    def corners(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each value worth checking as (parameter, parameters), the others at their first value that fits."""
        first = {name: parameter.corners()[0] for name, parameter in self.parameters.items()}
        for name, parameter in self.parameters.items():
            beside = {**first, **self._conditions(name)}
            for value in parameter.corners():
                yield name, self.active({**beside, name: value})

    def line_corners(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield one line from end to end of the swept parameter, if there is one without a condition."""
        name, parameters = next(self.corners())
        if self.sweep is not None and self.sweep.parameter in parameters:
            values = self.parameters[self.sweep.parameter].corners()
            yield name, self.with_line(parameters, (values[-1], values[0]))

    def _conditions(self, name: str) -> dict[str, Any]:
        """Return values with which a parameter is searched, its conditions' own conditions included."""
        needed: dict[str, Any] = {}
        for other in self.parameters[name].when:
            needed |= self._conditions(other) | {other: recorded(self.parameters[name].when[other][0])}
        return needed

    def document(self) -> dict[str, Any]:
        """Return the space as it is written to a file; reading that file gives this space again."""
        values = self.model_dump(mode="json", exclude_none=True)
        values["guards"] = {guard.pop("metric"): guard for guard in values["guards"]}
        return values
