"""What the search knows of the thing it searches: a study, and one run of training of it.

A study is named in the space file as `module:class`; whatever satisfies `Study` can be searched, and nothing else in
this package mentions a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol


class TrainingRun(Protocol):
    """One trial in a worker.

    Where a trial has several workers, each of them builds it, trains, evaluates and restores at the same time, in
    torch's default process group; `save` and `export` are the first one's alone, so they may not wait for the others.
    """

    def train_epoch(self) -> dict[str, float]:
        """Train one epoch and return the means of the losses over it: `loss` and its parts."""

    def evaluate(self) -> dict[str, float]:
        """Return the metrics on the validation split."""

    def save(self, folder: Path) -> None:
        """Write everything that is needed to go on later, also in the middle of a trial."""

    def restore(self, folder: Path) -> None:
        """Go on from what `save` wrote."""

    def export(self, folder: Path) -> None:
        """Write the finished model: `model.safetensors` and what belongs to it."""


class Study(Protocol):
    """What is searched. The driver makes one, every worker gets a copy once, so it can be pickled.

    Attributes:
        metrics: Names of what `TrainingRun.evaluate` measures.

    A study that can change parameters in mid-training names them in `continuable`. A configuration may then have
    `stages`, a list of {parameter: value, epochs: number} in their order, whose last value is the configuration's own
    and whose epochs add up to its `epochs`. A run that has restored the end of the first stages trains the others as if
    it had trained all of them.

    A study may also have `prepare(configurations, folder)`: what is done once for all trials, before the first. It is
    given the corners of the space, each as for `check`, and a folder of the run folder that is the study's own, where a
    resumed run finds again what was kept. It returns lines for people, such as a limit that the space meets.

    `pictures`, where it has it, is a module: `python -m MODULE FOLDER` draws an exported model.
    """

    metrics: ClassVar[tuple[str, ...]]

    def __init__(self, resolved: Mapping[str, Any]):
        """Load the data and whatever else all trials share.

        Args:
            resolved: What `resolve` returned.
        """

    @classmethod
    def resolve(cls, fixed: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """Check the fixed part of a configuration and make it independent of where it was read; quick.

        Args:
            fixed: As written in the space file.
            folder: What relative paths in it are relative to.

        Returns:
            The same with defaults filled in and paths absolute.

        Raises:
            ValueError: A key or a value is wrong, or a file is missing; the message begins with the dotted key.
        """

    def check(self, configuration: Mapping[str, Any]) -> None:
        """Refuse a point that cannot be trained.

        Args:
            configuration: Complete: the resolved fixed part, the parameters, `epochs`, `seed` and `threads`.

        Raises:
            ValueError: The message begins with the dotted key.
        """

    def provenance(self) -> dict[str, Any]:
        """Return what the results depend on besides the configuration, such as the data's fingerprint."""

    def trial(self, configuration: Mapping[str, Any], device: str) -> TrainingRun:
        """Begin a run of training.

        Args:
            configuration: As for `check`.
            device: `cpu` or `cuda`.
        """
