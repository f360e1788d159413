"""Recordings put together from primitives: which sub-action a sample belongs to is known.

A class owns some of the primitives. Its recordings show these in random order and number, each stretched and scaled at
random, with short gaps between them and noise over all. Who owns what differs for every primitive, so that names follow
from classes, and from nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from model.configuration.reading import resolve_configuration

SAMPLES = 512
SHORTEST, LONGEST = 36, 60  # samples of a primitive
GAP = 8  # samples between two primitives, at most
NOISE = 0.1
TRAINING, TEST = 160, 80  # recordings; a quarter of the former is for validation
VALIDATION_FRACTION = 0.25
WAVES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "bump": lambda u: np.sin(np.pi * u),
    "dip": lambda u: -np.sin(np.pi * u),
    "swing": lambda u: np.sin(4 * np.pi * u),
    "ramp": lambda u: np.where(u < 0.8, u / 0.8, (1 - u) / 0.2),
    "step": lambda u: np.where((u > 0.25) & (u < 0.75), 1.0, 0.0),
    "tremor": lambda u: 0.6 * np.sin(2 * np.pi * 9 * u),
    "fall": lambda u: np.where(u < 0.2, -u / 0.2, (u - 1) / 0.8),
    "beat": lambda u: np.sin(2 * np.pi * 6 * u) * np.sin(np.pi * u),
}
PHRASES = (
    "wrist rises and sinks again",
    "wrist sinks and rises again",
    "arm swings twice",
    "hand lifts slowly and drops",
    "elbow stays bent",
    "fingers tremble",
    "foot strikes the ground",
)


class Design(NamedTuple):
    """What a set of recordings is put together from."""

    owners: tuple[str, ...]  # the classes, one letter each, that own each primitive
    waves: tuple[tuple[str, ...], ...]  # of each primitive, in each channel

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes."""
        return tuple(sorted(set("".join(self.owners))))

    def owned(self) -> np.ndarray:
        """Return which primitives each class owns: bool, (classes, primitives)."""
        return np.array([[name in owners for owners in self.owners] for name in self.classes])


SINGLE = tuple((wave,) for wave in ("bump", "dip", "swing", "ramp", "step", "tremor"))
DESIGNS = {
    "four": Design(("ABC", "ABD", "ACD", "BCD", "AB", "CD"), SINGLE),
    "anti": Design(("AB", "AC", "AD", "BC", "BD", "CD"), SINGLE),
    # Each wave of each channel occurs in two primitives or more: no channel alone tells them apart.
    "three": Design(
        ("ABC", "ADE", "BDE", "ABE", "BCD", "CE"),
        (
            ("bump", "dip", "tremor"),
            ("dip", "bump", "tremor"),
            ("bump", "tremor", "dip"),
            ("dip", "tremor", "bump"),
            ("tremor", "dip", "bump"),
            ("tremor", "bump", "dip"),
        ),
    ),
    "other": Design(
        ("AB", "BC", "CD", "DE", "AE", "ACD", "BDE"),
        (
            ("ramp", "fall", "beat"),
            ("fall", "ramp", "beat"),
            ("ramp", "beat", "fall"),
            ("beat", "fall", "ramp"),
            ("beat", "ramp", "fall"),
            ("fall", "beat", "ramp"),
            ("fall", "fall", "ramp"),
        ),
    ),
    # For classes left out: each class' primitives are all seen in others.
    "six": Design(("ABD", "ACE", "BCF", "DEA", "DFB", "EFC"), SINGLE),
}


class Recordings(NamedTuple):
    """Recordings with their truth."""

    x: np.ndarray  # float32, (recordings, channels, SAMPLES)
    y: np.ndarray  # int, (recordings,), classes
    truth: np.ndarray  # int, (recordings, SAMPLES), the primitive of each sample; -1 in a gap


def draw(design: Design, recordings: int, seed: int) -> Recordings:
    """Draw recordings, the classes in turn."""
    rng = np.random.default_rng(seed)
    owned, y = design.owned(), np.arange(recordings) % len(design.classes)
    x = NOISE * rng.standard_normal((recordings, len(design.waves[0]), SAMPLES))
    truth = np.full((recordings, SAMPLES), -1)
    for i in range(recordings):
        mine, at = np.flatnonzero(owned[y[i]]), -int(rng.integers(SHORTEST))
        while at < SAMPLES:
            primitive, length = int(rng.choice(mine)), int(rng.integers(SHORTEST, LONGEST + 1))
            u, size = (np.arange(length) + 0.5) / length, rng.uniform(0.8, 1.2)
            seen = slice(max(0, -at), min(length, SAMPLES - at))
            place = slice(at + seen.start, at + seen.stop)
            for channel, wave in enumerate(design.waves[primitive]):
                x[i, channel, place] += size * WAVES[wave](u)[seen]
            truth[i, place] = primitive
            at += length + int(rng.integers(GAP + 1))
    return Recordings(x.astype(np.float32), y, truth)


class Prepared(NamedTuple):
    """A design drawn and written, for a study to load."""

    configuration: dict[str, Any]  # resolved; K is the number of primitives
    train: Recordings  # in the order of the file, of which the study takes a part for validation
    test: Recordings


def prepare(name: str, seed: int, folder: Path) -> Prepared:
    """Draw a design, write its file into `folder`, and describe it for a study."""
    design = DESIGNS[name]
    train, test = draw(design, TRAINING, 2 * seed + 1000), draw(design, TEST, 2 * seed + 1001)
    names, path = np.array(design.classes), folder / f"{name}-{seed}.npz"
    np.savez(path, X=train.x, y=names[train.y], X_test=test.x, y_test=names[test.y])
    classes = {
        c: [PHRASES[k] for k in np.flatnonzero(row)] for c, row in zip(design.classes, design.owned(), strict=True)
    }
    values = {
        "data": {"npz": str(path), "validation_fraction": VALIDATION_FRACTION},
        "vocabulary": {"name": name, "classes": classes},
        "num_sub_actions": len(design.owners),
        "threads": 1,
    }
    return Prepared(resolve_configuration(values, folder), train, test)
