"""How good the phrases of a vocabulary are, in five measures of the text alone; no recording is looked at.

The formulas see a vocabulary through `MergedText`, in an order of their own, so that no figure depends on
the order in which classes and phrases were written. d(a, b) = 1 − cos(a, b) throughout, from 0 to 2; the position of a
sub-action is the embedding of its medoid phrase, by which it is named.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations
from math import factorial
from typing import NamedTuple

import numpy as np

from model.sub_actions.alternatives import ownership_sets
from model.sub_actions.cut import SubActions

KEPT_COSINE = 0.7  # two wordings of one phrase, such as those in basic_motions.yaml, have a median cosine of 0.71
NEAR_COSINE = 0.8  # what sentence encoders give a paraphrase, and often an opposite
SHUFFLES = 20  # of the phrases among the classes; the mean silhouette of 20 repeats to 0.003
ALL_ASSIGNMENTS_UP_TO = 720  # assignments of titles to classes, 6!; of more classes as many are drawn as DRAWN says
DRAWN = 2000
TIE = 1e-6  # embeddings repeat to about 3e-7 between machines; cosines nearer than this are equal


class MergedText(NamedTuple):
    """A merged vocabulary as the measures read it: classes by name, phrases by class and text, rows of unit length."""

    class_names: tuple[str, ...]
    phrases: np.ndarray  # (phrases, width)
    texts: tuple[str, ...]  # (phrases,)
    class_of: np.ndarray  # (phrases,)
    cluster: np.ndarray  # (phrases,), sub-action of each
    owned: np.ndarray  # (classes, K), bool
    positions: np.ndarray  # (K, width)
    titles: np.ndarray  # (classes, width)


class Separation(NamedTuple):
    """How far apart the classes are; higher is better in all figures. See `measure_separation`."""

    silhouette: float
    silhouette_shuffled: float
    set_distance: float
    least_set_distance: float
    least_set_classes: tuple[str, str]
    meaning_distance: float
    least_meaning_distance: float
    least_meaning_classes: tuple[str, str]


class TitleRebuilt(NamedTuple):
    """How well the sub-actions of a class give away its title. See `measure_titles`."""

    top1: float
    top1_chance: float
    rank: float
    rank_chance: float
    cosine: float
    cosine_others: float
    as_good_by_chance: float
    not_found: tuple[str, ...]


class Coverage(NamedTuple):
    """How much of what the phrases say is left after the merge; higher is better. See `measure_coverage`."""

    cosine: float
    cosine_any_two: float
    kept: float


class Identified(NamedTuple):
    """Whether sub-actions can be told apart at all. See `measure_identified`."""

    share: float
    together: tuple[tuple[int, ...], ...]  # sub-actions of each ownership set that has several


class Redundancy(NamedTuple):
    """How much is said twice; lower is better in all figures. See `measure_redundancy`."""

    nearest_cosine: float
    near_duplicates: float
    repeated_in_class: float


def read_merged(merged: SubActions, embeddings: np.ndarray, titles: np.ndarray) -> MergedText:
    """Sort classes and phrases by their text and scale embeddings to unit length.

    The embeddings are `(phrases, width)`, in the order of `merged.phrases`, the titles `(classes, width)`, in that of
    `merged.class_names`.

    Raises:
        ValueError: The embeddings do not fit the phrases or the classes.
    """
    if embeddings.shape != (len(merged.phrases), titles.shape[-1]) or len(titles) != len(merged.class_names):
        raise ValueError(
            f"expected one embedding for each of {len(merged.phrases)} phrases and {len(merged.class_names)} titles, "
            f"got shapes {embeddings.shape} and {titles.shape}"
        )
    classes = sorted(range(len(merged.class_names)), key=lambda y: merged.class_names[y])
    owner = np.argsort(classes)[merged.class_of]
    order = sorted(range(len(merged.phrases)), key=lambda i: (owner[i], merged.phrases[i]))
    texts = tuple(merged.phrases[i] for i in order)
    rows = _unit(embeddings[order])
    return MergedText(
        class_names=tuple(merged.class_names[y] for y in classes),
        phrases=rows,
        texts=texts,
        class_of=owner[order],
        cluster=merged.cluster[order],
        owned=merged.owned[classes],
        positions=rows[[texts.index(name) for name in merged.names]],
        titles=_unit(titles[classes]),
    )


def measure_separation(text: MergedText) -> Separation:
    """Measure whether phrases lie nearer to those of their own class than to others, and whether the sets differ.

    `silhouette`, −1 to 1: the mean over phrases of (b − a) / max(a, b), each phrase at the position of its sub-action,
    a its mean d to the other phrases of its class, b the least over the other classes of its mean d to their phrases;
    0 for the only phrase of a class. A sub-action that several classes own lies in all of them, which lowers b.
    `silhouette_shuffled`: the same with the phrases dealt out anew among the classes, mean of `SHUFFLES`: the level of
    classes without a meaning. A class speaks of several parts of the body, so that 0 is good where this is −0.1.
    `set_distance`, 0 to 1: mean over pairs of classes of 1 − |S_y ∩ S_z| / |S_y ∪ S_z|; 1 where nothing is shared.
    `meaning_distance`, 0 to 2: mean over pairs of classes of the mean d from a sub-action of either to the nearest one
    of the other; unlike the former it sees that "hand moves left" and "hand moves right" are different but near.
    `least_…`: the smallest over the pairs, and which two classes that is, the first by name where several are.
    """
    distance = np.maximum(1 - text.positions @ text.positions.T, 0.0)
    np.fill_diagonal(distance, 0.0)
    silhouette = _silhouette(distance, text.cluster, text.class_of)
    random = np.random.default_rng(0)
    shuffled = [_silhouette(distance, text.cluster, random.permutation(text.class_of)) for _ in range(SHUFFLES)]
    shared = (text.owned[:, None] & text.owned[None]).sum(-1)
    either = (text.owned[:, None] | text.owned[None]).sum(-1)
    sets = 1 - shared / either
    nearest = np.stack([distance[:, row].min(1) for row in text.owned], axis=1)  # (K, classes)
    size = text.owned.sum(1)
    one_way = text.owned @ nearest  # sum over the sub-actions of a class
    meaning = (one_way + one_way.T) / (size[:, None] + size)
    return Separation(
        silhouette, float(np.mean(shuffled)), *_pairs(sets, text.class_names), *_pairs(meaning, text.class_names)
    )


def measure_titles(text: MergedText) -> TitleRebuilt:
    """Measure whether a class's title can be found among all titles by what its sub-actions say.

    The sub-actions of class y rebuild its title as r_y = v_y − mean over the other classes of v, v the mean position of
    the sub-actions in a class's set. Nothing else is fitted: v and the titles t come from the same text encoder, and
    c_yz = cos(r_y, t_z − t̄) says which title r_y is nearest to.
    `top1`, 0 to 1, higher is better: share of classes whose own title is the nearest; a tie is no hit. `not_found` has
    the others. `top1_chance` is 1 / classes. `rank`, 1 to classes, lower is better: mean place of the own title;
    `rank_chance` is (classes + 1) / 2. `cosine`, −1 to 1, higher is better: mean c_yy; `cosine_others`: mean c_yz of
    the other titles. `as_good_by_chance`, 0 to 1, lower is better: share of all assignments of titles to classes, the
    true one included, whose mean cosine is no smaller (of `DRAWN` random ones if all are more than
    `ALL_ASSIGNMENTS_UP_TO`).
    """
    classes = len(text.titles)
    pooled = (text.owned @ text.positions) / text.owned.sum(1)[:, None]
    # The difference to the mean of all has the same direction as that to the mean of the others.
    cosine = _unit(pooled - pooled.mean(0)) @ _unit(text.titles - text.titles.mean(0)).T
    own = np.diag(cosine)
    rank = (cosine >= own[:, None] - TIE).sum(1)
    assigned = cosine[np.arange(classes), _assignments(classes)].mean(1)
    return TitleRebuilt(
        top1=float((rank == 1).mean()),
        top1_chance=1 / classes,
        rank=float(rank.mean()),
        rank_chance=(classes + 1) / 2,
        cosine=float(own.mean()),
        cosine_others=float((cosine.sum() - own.sum()) / (classes * (classes - 1))),
        as_good_by_chance=float((assigned >= own.mean() - TIE).mean()),
        not_found=tuple(name for name, place in zip(text.class_names, rank, strict=True) if place > 1),
    )


def measure_coverage(text: MergedText) -> Coverage:
    """Measure how near the phrases are to the phrase by which their sub-action is named.

    `cosine`, −1 to 1: mean cosine of a phrase and the medoid of its sub-action; 1 where nothing was merged.
    `cosine_any_two`: mean cosine of two different phrases of the vocabulary, the level of merging at random.
    `kept`, 0 to 1: share of phrases whose cosine is at least `KEPT_COSINE`.
    A phrase that several classes use counts as often as they use it.
    """
    cosine = np.einsum("pw,pw->p", text.phrases, text.positions[text.cluster])
    different = np.array([text.texts.index(phrase) for phrase in sorted(set(text.texts))])
    among = text.phrases[different] @ text.phrases[different].T
    pairs = among[np.triu_indices(len(among), 1)]
    return Coverage(float(cosine.mean()), float(pairs.mean()), float((cosine >= KEPT_COSINE - TIE).mean()))


def measure_redundancy(text: MergedText) -> Redundancy:
    """Measure whether sub-actions that are left say the same, and how often a class says one sub-action twice.

    `nearest_cosine`, −1 to 1: mean over sub-actions of the cosine with the nearest other one. `near_duplicates`, 0 to
    1: share of sub-actions for which that is above `NEAR_COSINE`. `repeated_in_class`, 0 to 1: 1 − Σ_y |S_y| / phrases,
    the share of phrases that fell into a sub-action which another phrase of their class had already given it.
    """
    nearest = nearest_others(text.positions)[1]
    return Redundancy(
        nearest_cosine=float(nearest.mean()),
        near_duplicates=float((nearest > NEAR_COSINE + TIE).mean()),
        repeated_in_class=float(1 - text.owned.sum() / len(text.phrases)),
    )


def measure_identified(text: MergedText) -> Identified:
    """Measure whether the classes that own a sub-action tell it from the others.

    `share`, above 0 to 1, higher is better: different ownership sets / K, where the ownership set of a sub-action are
    the classes that own it. Sub-actions of one set, `together`, are exchangeable in every loss and every metric.
    """
    set_of = ownership_sets(text.owned)
    sets = [tuple(np.flatnonzero(set_of == s).tolist()) for s in range(set_of.max() + 1)]
    return Identified(len(sets) / len(set_of), tuple(members for members in sets if len(members) > 1))


def nearest_others(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each of K ≥ 2 positions of unit length the nearest other one and their cosine, (K,) each."""
    cosine = positions @ positions.T
    np.fill_diagonal(cosine, -np.inf)
    return cosine.argmax(1), cosine.max(1)


def _silhouette(distance: np.ndarray, cluster: np.ndarray, class_of: np.ndarray) -> float:
    """Return the mean silhouette of phrases at the positions of their sub-actions; `distance` is (K, K)."""
    classes = int(class_of.max()) + 1
    count = np.zeros((classes, len(distance)))
    np.add.at(count, (class_of, cluster), 1)
    size = count.sum(1)
    total = distance @ count.T  # (K, classes), from a sub-action to all phrases of a class
    rows = np.arange(len(class_of))
    others = (total / size)[cluster]
    others[rows, class_of] = np.inf
    a, b = total[cluster, class_of] / np.maximum(size[class_of] - 1, 1), others.min(1)
    largest = np.maximum(a, b)
    alone = (size[class_of] == 1) | (largest < TIE)
    return float(np.where(alone, 0.0, (b - a) / np.where(alone, 1.0, largest)).mean())


def _pairs(between: np.ndarray, names: tuple[str, ...]) -> tuple[float, float, tuple[str, str]]:
    """Return mean and least over pairs of classes, and which pair has the least."""
    first, second = np.triu_indices(len(names), 1)
    values = between[first, second]
    at = int(np.flatnonzero(values <= values.min() + TIE)[0])
    return float(values.mean()), float(values[at]), (names[first[at]], names[second[at]])


@lru_cache(maxsize=8)
def _assignments(classes: int) -> np.ndarray:
    """Return ways to deal out the titles, the true one first, (assignments, classes)."""
    if factorial(classes) <= ALL_ASSIGNMENTS_UP_TO:
        return np.array(list(permutations(range(classes))))
    rows = np.tile(np.arange(classes), (DRAWN, 1))
    rows[1:] = np.random.default_rng(0).permuted(rows[1:], axis=1)
    return rows


def _unit(rows: np.ndarray) -> np.ndarray:
    """Scale rows to length 1; one that is zero, up to rounding, stays zero, and is similar to nothing."""
    rows = np.asarray(rows, dtype=np.float64)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(length > 1e-7, rows / np.where(length > 1e-7, length, 1.0), 0.0)
