"""The data set that a study trains on: loaded, split, resampled, normalised, and with a fingerprint.

The validation part is split from the training part only; the test part is whatever the source calls its test
part, or, for an ``.npz`` file without one, a quarter held out before anything else is looked at. As a command,
``python -m model.dataset``, it makes such a file of other files, see `model.dataset.__main__`.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from model.dataset.npz import read_npz
from model.dataset.preprocessing import normalise, resample
from model.dataset.recordings import RawPart, check_part, take
from model.dataset.sources import EMBEDDED_NAME, DataError, DataSource
from model.dataset.ts import find_named, read_ts
from model.exceptions import InputError

logger = logging.getLogger(__name__)

EXHAUSTIVE_GROUPS = 10  # 2**10 subsets are scored in milliseconds; above this, seeded greedy candidates
GREEDY_CANDIDATES = 256
TEST_FRACTION = 0.25
PREPARED_AT_ONCE = 512  # recordings; in float64, resampled ones of a whole part take several times what is kept
KNOWN_CHANNELS = {
    EMBEDDED_NAME: tuple(f"{sensor} {axis}" for sensor in ("accelerometer", "gyroscope") for axis in "xyz"),
    "Epilepsy": tuple(f"accelerometer {axis}" for axis in "xyz"),
}


class SplitError(InputError):
    """The recordings cannot be split as asked."""


class Recordings(NamedTuple):
    """One part of a data set; ``x * scale + mean`` gives the resampled recordings back.

    Attributes:
        x: float32, (recordings, channels, length), mean 0 and deviation 1 per recording and channel.
        mean: float32, (recordings, channels).
        scale: float32, (recordings, channels); 1 for a constant channel, whose x is zeros.
        y: int64, (recordings,), index into the data set's class names.
        groups: Group names, (recordings,), or None.
    """

    x: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None


@dataclass(frozen=True)
class Dataset:
    """A data set ready for training.

    Attributes:
        name: For people: the data set's name or its file's stem.
        class_names: Sorted; `Recordings.y` indexes them.
        channel_names: One per channel.
        train: What is trained on.
        validation: What is measured on; from the training part of the source.
        test: Never seen by the search; None where there is none.
        native_length: Samples per recording before resampling.
        fingerprint: SHA-256 of recordings, classes, length and split.
        rate_hz: Samples per second before resampling; None where the source does not say.
    """

    name: str
    class_names: tuple[str, ...]
    channel_names: tuple[str, ...]
    train: Recordings
    validation: Recordings
    test: Recordings | None
    native_length: int
    fingerprint: str
    rate_hz: float | None = None


def load_dataset(
    source: DataSource | Mapping[str, Any],
    *,
    length: int | Literal["native"] = 512,
    validation_fraction: float = 0.25,
    split_seed: int = 0,
) -> Dataset:
    """Load, check, split, resample and normalise recordings.

    Args:
        source: Where the recordings come from.
        length: Samples per recording after resampling; "native" leaves the recordings as they are.
        validation_fraction: Part of the training part that is measured on, between 0 and 1.
        split_seed: Decides which recordings that are; also which an ``.npz`` without a test part holds out
            for it.

    Raises:
        DataError: One line that names the file and, where it can, the recording (counted from 0).

    Example:
        >>> data = load_dataset({"name": "BasicMotions"}, length=64)
        >>> data.train.x.shape, data.class_names
        ((28, 6, 64), ('Badminton', 'Running', 'Standing', 'Walking'))
    """
    source = DataSource.parse(source)
    train, test = _read(source)
    return make_dataset(
        source.label, train, test, length=length, validation_fraction=validation_fraction, split_seed=split_seed
    )


def make_dataset(
    name: str,
    train: RawPart,
    test: RawPart | None,
    *,
    length: int | Literal["native"] = 512,
    validation_fraction: float = 0.25,
    split_seed: int = 0,
) -> Dataset:
    """Do with recordings in memory what `load_dataset` does with those of a file.

    Raises:
        DataError: As there.
    """
    if length != "native" and length < 2:
        raise DataError(f"length must be at least 2 samples, got {length}")
    for part in (train, test):
        if part is not None:
            check_part(part)
    if test is None:
        train, test = _split(train, TEST_FRACTION, split_seed, "test")
    class_names = tuple(sorted(set(train.labels)))
    _check_together(train, test, class_names)
    kept, held = _split(train, validation_fraction, split_seed, "validation")
    samples = train.x.shape[2] if length == "native" else length
    parts = [_prepare(part, class_names, samples) for part in (kept, held, test)]
    return Dataset(
        name=name,
        class_names=class_names,
        channel_names=_channel_names(name, train),
        train=parts[0],
        validation=parts[1],
        test=parts[2],
        native_length=train.x.shape[2],
        fingerprint=_fingerprint((kept, held, test), class_names, samples),
        rate_hz=train.rate_hz,
    )


def draw_validation(dataset: Dataset, fraction: float, seed: int) -> Dataset:
    """Return the data set with another validation part, drawn from its training and validation recordings.

    Nothing is read or resampled again, and the test part stays.

    Args:
        dataset: As loaded.
        fraction: Part of these recordings to measure on, between 0 and 1.
        seed: Decides which recordings that are.

    Raises:
        DataError: A class would be left without a training recording.
    """
    first, second = dataset.train, dataset.validation
    x, mean, scale, y = (np.concatenate(pair) for pair in zip(first[:4], second[:4], strict=True))
    groups = None
    if first.groups is not None and second.groups is not None:
        groups = np.concatenate([first.groups, second.groups])
    train, validation = (
        Recordings(x[rows], mean[rows], scale[rows], y[rows], None if groups is None else groups[rows])
        for rows in hold_out(y, groups, fraction, seed)
    )
    if missing := set(y) - set(train.y):
        names = ", ".join(dataset.class_names[label] for label in sorted(missing))
        raise DataError(
            f"{dataset.name}: the validation part drawn with seed {seed} leaves no training recording of {names}: "
            "more groups are needed, or a split_seed that is a number"
        )
    fingerprint = hashlib.sha256(f"{dataset.fingerprint} {fraction} {seed}".encode()).hexdigest()
    return replace(dataset, train=train, validation=validation, fingerprint=fingerprint)


def _read(source: DataSource) -> tuple[RawPart, RawPart | None]:
    """Read the training part and, where the source has one, the test part."""
    if source.npz is not None:
        return read_npz(source.npz)
    if source.name is not None:
        train_file, test_file = find_named(source.name, source.extract_path)
    else:
        assert source.train_ts is not None
        assert source.test_ts is not None
        train_file, test_file = source.train_ts, source.test_ts
    return read_ts(train_file), read_ts(test_file)


def _check_together(train: RawPart, test: RawPart, class_names: tuple[str, ...]) -> None:
    """Refuse what is wrong with the two parts as a classification problem."""
    if train.x.shape[1:] != test.x.shape[1:]:
        raise DataError(
            f"{test.file}: the test recordings are (channels, length) {test.x.shape[1:]}, "
            f"but those of {train.file} are {train.x.shape[1:]}"
        )
    for index, label in enumerate(test.labels):
        if label not in class_names:
            raise DataError(
                f"{test.file}: test recording {index} is of class {label}, "
                f"which the training part does not have ({', '.join(class_names)})"
            )
    if train.groups is not None and test.groups is not None:
        shared = sorted(set(train.groups) & set(test.groups))
        if shared:
            raise DataError(f"{test.file}: group {shared[0]} is in the training and in the test part")


def _split(part: RawPart, fraction: float, seed: int, what: str) -> tuple[RawPart, RawPart]:
    """Hold a part out, warning of classes that are on one side only."""
    labels = np.array(part.labels)
    classes = set(part.labels)
    if len(classes) < 2:
        raise DataError(f"{part.file}: all recordings are of one class ({part.labels[0]}): two or more are needed")
    if len(labels) < len(classes) * 2:
        raise DataError(
            f"{part.file}: {len(labels)} recordings of {len(classes)} classes are too few "
            f"to hold out a {what} part: two per class are needed"
        )
    try:
        kept, held = hold_out(labels, part.groups, fraction, seed)
    except SplitError as error:
        raise DataError(f"{part.file}: {what} part: {error}") from error
    rest, part_held = take(part, kept), take(part, held)
    if missing := sorted(classes - set(rest.labels)):
        raise DataError(
            f"{part.file}: no choice of groups for the {what} part leaves a training recording of "
            f"{', '.join(missing)}: more groups are needed"
        )
    if missing := sorted(classes - set(part_held.labels)):
        logger.warning("%s: the %s part has no recording of %s", part.file, what, ", ".join(missing))
    return rest, part_held


def _prepare(part: RawPart, class_names: tuple[str, ...], length: int) -> Recordings:
    starts = range(0, len(part.x), PREPARED_AT_ONCE)
    pieces = [normalise(resample(part.x[at : at + PREPARED_AT_ONCE], length)) for at in starts]
    x, mean, scale = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
    y = np.array([class_names.index(label) for label in part.labels], dtype=np.int64)
    return Recordings(x, mean, scale, y, part.groups)


def _channel_names(name: str, part: RawPart) -> tuple[str, ...]:
    if part.channels is not None:
        return part.channels
    channels, known = part.x.shape[1], KNOWN_CHANNELS.get(name, ())
    return known if len(known) == channels else tuple(f"channel {index}" for index in range(channels))


def _fingerprint(parts: tuple[RawPart, ...], class_names: tuple[str, ...], length: int) -> str:
    digest = hashlib.sha256(repr((class_names, length)).encode())
    for part in parts:
        groups = None if part.groups is None else part.groups.tolist()
        digest.update(repr((part.x.shape, part.labels, groups)).encode())
        for recording in part.x:
            digest.update(np.ascontiguousarray(recording, dtype="<f8").tobytes())
    return digest.hexdigest()


def hold_out(y: np.ndarray, groups: np.ndarray | None, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split recordings into a kept and a held-out part, the same way every time for the same seed.

    Without groups, each class gives the fraction of its recordings, rounded half up, at least one and never
    its last one: a class with a single recording stays in the kept part. With groups, whole groups are held
    out, chosen so that, in this order, no class is missing in the kept part, few are missing in the held-out
    part, and each class's held-out fraction is close to the one asked for.

    Args:
        y: Class of each recording, (recordings,).
        groups: Group of each recording, (recordings,), or None.
        fraction: Part to hold out, between 0 and 1, both excluded.
        seed: Decides which recordings, or which of several equally good sets of groups.

    Returns:
        Sorted indices of the kept and of the held-out recordings.

    Raises:
        SplitError: There is nothing to hold out (one group only, or no class with two recordings).
    """
    if not 0.0 < fraction < 1.0:
        raise SplitError(f"the held-out fraction must be between 0 and 1, both excluded; got {fraction}")
    generator = np.random.default_rng(seed)
    held = _stratified(y, fraction, generator) if groups is None else _grouped(y, groups, fraction, generator)
    if not held.any() or held.all():
        raise SplitError("no class has two recordings, so none can be held out")
    return np.flatnonzero(~held), np.flatnonzero(held)


def _stratified(y: np.ndarray, fraction: float, generator: np.random.Generator) -> np.ndarray:
    held = np.zeros(len(y), dtype=bool)
    for label in np.unique(y):
        members = np.flatnonzero(y == label)
        count = min(max(1, math.floor(fraction * len(members) + 0.5)), len(members) - 1)
        held[generator.permutation(members)[:count]] = True
    return held


def _grouped(y: np.ndarray, groups: np.ndarray, fraction: float, generator: np.random.Generator) -> np.ndarray:
    names, group = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise SplitError(f"all recordings are of one group ({names[0]}), so no group can be held out")
    labels = np.unique(y)
    counts = np.array([[np.sum((group == g) & (y == label)) for label in labels] for g in range(len(names))])
    if len(names) <= EXHAUSTIVE_GROUPS:
        candidates = _all_subsets(len(names), generator)
    else:
        candidates = _greedy_subsets(counts, fraction, generator)
    chosen = min(candidates, key=lambda subset: _score(counts, subset, fraction))
    return chosen[group]


def _all_subsets(groups: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Return every subset but the empty and the full one, in an order drawn from the generator."""
    subsets = [np.array(bits, dtype=bool) for bits in itertools.product([False, True], repeat=groups)][1:-1]
    return [subsets[i] for i in generator.permutation(len(subsets))]


def _greedy_subsets(counts: np.ndarray, fraction: float, generator: np.random.Generator) -> list[np.ndarray]:
    """Return subsets grown from random orders of the groups, taking a group only where that betters the score."""
    candidates = []
    for _ in range(GREEDY_CANDIDATES):
        order = generator.permutation(len(counts))
        subset = np.zeros(len(counts), dtype=bool)
        subset[order[0]] = True
        best = _score(counts, subset, fraction)
        for g in order[1:-1]:
            subset[g] = True
            score = _score(counts, subset, fraction)
            if score < best:
                best = score
            else:
                subset[g] = False
        candidates.append(subset)
    return candidates


def _score(counts: np.ndarray, subset: np.ndarray, fraction: float) -> tuple[int, int, float]:
    """Count the classes missing in the kept and in the held-out part, and measure the distance from the fraction."""
    held = counts[subset].sum(axis=0)
    total = counts.sum(axis=0)
    return int(np.sum(held == total)), int(np.sum(held == 0)), float(np.sum((held / total - fraction) ** 2))
