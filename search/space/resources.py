"""What trials get of a machine or a cluster: the section `resources` of a space file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, NamedTuple

from pydantic import Field, model_validator

from results.records.numbers import Integer, Number
from search.space.parameters import StrictModel

GIB = 2**30
NOTHING: Mapping[str, float] = MappingProxyType({})
OF_A_KIND = "accelerator_type:"  # Ray gives 1 of such a resource to each node that has such accelerators
A_LITTLE = 0.001  # of it: as much as says that a worker has to be there
OWN_WORDS = {"CPU": "cpus", "GPU": "gpus", "memory": "memory_gib"}  # Ray's names, and what they are called here
ACCELERATOR = r"^[\w.\-]+$"
ENVIRONMENT_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
SET_BY_RAY = ("PYTHONPATH", "CUDA_VISIBLE_DEVICES")


class PlannedResources(NamedTuple):
    """What a run has, with nothing left open."""

    workers: int  # of one trial
    cpus: int  # of one worker
    gpus: float  # of one worker
    slots: int  # trials at a time
    others: Mapping[str, float] = NOTHING  # of one worker, by Ray's names

    @property
    def bundle(self) -> dict[str, float]:
        """Everything that one worker has, by Ray's names."""
        return {"CPU": float(self.cpus), **({"GPU": self.gpus} if self.gpus else {}), **self.others}


class Resources(StrictModel):
    """What one trial gets, how many run at a time, and how long workers live.

    Attributes:
        workers: Of one trial; they share its recordings.
        cpus: Of one worker; None is found out before the search.
        gpus: Of one worker; None is found out before the search.
        memory_gib: Of one worker, kept free for it on its node; None: as it comes.
        accelerator: Kind of the GPUs, by Ray's name, such as `A100`; None: any.
        custom: Amounts of one worker of resources that a cluster has under names of its own.
        slots: Trials at a time; None is found out before the search, and on a cluster again while it runs.
        max_slots: Trials at a time at most, where slots are found out; a cluster that scales by itself is asked for so
            many places as there are trials to come.
        start_within_s: Seconds in which a group of workers has to be up; a slot where it is not is passed over.
        recycle_after_trials: Trials after which a worker process is replaced; None: only when it has to be.
        env: Environment variables of workers; one that is null has the value that it has where the search is started,
            and stands nowhere.
    """

    workers: Annotated[Integer, Field(ge=1, exclude_if=lambda workers: workers == 1)] = 1
    cpus: Annotated[Integer, Field(ge=1)] | None = None
    gpus: Annotated[Number, Field(ge=0)] | None = None
    memory_gib: Annotated[Number, Field(gt=0)] | None = None
    accelerator: Annotated[str, Field(pattern=ACCELERATOR)] | None = None
    custom: dict[str, Annotated[Number, Field(gt=0)]] = Field({}, exclude_if=lambda custom: not custom)
    slots: Annotated[Integer, Field(ge=1)] | None = None
    max_slots: Annotated[Integer, Field(ge=1, exclude_if=lambda slots: slots is None)] | None = None
    start_within_s: Annotated[Number, Field(gt=0)] = 180.0
    recycle_after_trials: Annotated[Integer, Field(ge=1)] | None = None
    env: dict[Annotated[str, Field(pattern=ENVIRONMENT_NAME)], str | None] = Field({}, exclude_if=lambda env: not env)

    @model_validator(mode="after")
    def _has_one_word_for_each(self) -> Resources:
        if self.slots is not None and self.max_slots is not None:
            raise ValueError("max_slots: only counts where slots are found out; give one of the two")
        for name in self.custom:
            if name in OWN_WORDS:
                raise ValueError(f"custom.{name}: give it as resources.{OWN_WORDS[name]}")
        for name, value in self.env.items():
            if name in SET_BY_RAY:
                raise ValueError(f"env.{name}: is set by the search itself; remove it")
            if value is not None and ("\n" in value or "\0" in value):
                raise ValueError(f"env.{name}: expected a text of one line")
        return self

    @property
    def environment(self) -> dict[str, str]:
        """The variables of `env` with their values; those that are null have that of this process.

        Raises:
            KeyError: One has none here.
        """
        return {name: os.environ[name] if value is None else value for name, value in self.env.items()}

    @property
    def planned(self) -> PlannedResources:
        """What a run has; one CPU, no GPU and one slot before that was found out."""
        return PlannedResources(self.workers, self.cpus or 1, self.gpus or 0.0, self.slots or 1, self.others)

    @property
    def others(self) -> dict[str, float]:
        """What one worker gets beside CPUs and GPUs, by Ray's names."""
        found = {"memory": self.memory_gib * GIB} if self.memory_gib else {}
        return found | ({OF_A_KIND + self.accelerator: A_LITTLE} if self.accelerator else {}) | self.custom
