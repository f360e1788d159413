from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from model.sub_actions.cut import SubActions, merge_phrases, valid_range
from model.sub_actions.measures import (
    MergedText,
    measure_coverage,
    measure_redundancy,
    measure_separation,
    measure_titles,
    nearest_others,
    read_merged,
)
from model.sub_actions.scores import score_vocabulary
from model.sub_actions.vocabulary import Vocabulary, load_vocabulary


def plane(*degrees: float) -> np.ndarray:
    """Unit vectors in the plane, so that every cosine can be written down."""
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def merged_text(classes: dict[str, list[str]], at: dict[str, float], k: int, titles: np.ndarray) -> MergedText:
    vocabulary = load_vocabulary({"name": "hand-made", "classes": classes})
    embeddings = plane(*(at[phrase] for phrase in vocabulary.all_phrases()))
    return read_merged(merge_phrases(vocabulary, embeddings, k), embeddings, titles)


def random_case(seed: int, classes: int = 5) -> tuple[Vocabulary, np.ndarray, SubActions, np.ndarray]:
    """A vocabulary of some shared phrases with random embeddings, merged about half way."""
    random = np.random.default_rng(seed)
    pool = [f"phrase {i:02}" for i in range(4 * classes)]
    drawn = {f"class {y}": list(random.choice(pool, random.integers(2, 7), replace=False)) for y in range(classes)}
    vocabulary = load_vocabulary({"name": "random", "classes": drawn})
    of = dict(zip(pool, random.normal(size=(len(pool), 6)) + 0.5, strict=True))
    embeddings = np.array([of[phrase] for phrase in vocabulary.all_phrases()])
    valid = valid_range(vocabulary, embeddings)
    merged = merge_phrases(vocabulary, embeddings, valid[len(valid) // 2])
    return vocabulary, embeddings, merged, random.normal(size=(classes, 6)) + 1


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def positions_of(merged: SubActions, embeddings: np.ndarray) -> np.ndarray:
    return unit(np.array([embeddings[merged.phrases.index(name)] for name in merged.names]))


def test_two_classes_at_a_right_angle_are_perfectly_apart():
    at = {"a1": 0, "a2": 0, "b1": 90, "b2": 90}
    text = merged_text({"a": ["a1", "a2"], "b": ["b1", "b2"]}, at, 2, plane(5, 80))
    separation = measure_separation(text)
    assert separation.silhouette == pytest.approx(1.0)
    assert separation.silhouette_shuffled < 0.7
    assert separation.set_distance == separation.least_set_distance == 1.0
    assert separation.meaning_distance == pytest.approx(1.0)
    assert separation.least_set_classes == separation.least_meaning_classes == ("a", "b")
    titles = measure_titles(text)
    assert (titles.top1, titles.rank, titles.as_good_by_chance) == (1.0, 1.0, 0.5)
    assert (titles.top1_chance, titles.rank_chance) == (0.5, 1.5)
    assert titles.cosine == pytest.approx(np.cos(np.radians(2.5)))
    assert titles.cosine_others == pytest.approx(-titles.cosine)
    assert measure_coverage(text).cosine == pytest.approx(1.0)
    assert measure_coverage(text).cosine_any_two == pytest.approx(2 / 6)
    redundancy = measure_redundancy(text)
    assert redundancy.nearest_cosine == pytest.approx(0.0, abs=1e-12)
    assert (redundancy.near_duplicates, redundancy.repeated_in_class) == (0.0, 0.5)


def test_merged_phrases_count_by_how_near_their_name_they_are():
    """30°, 50° and 60° become one sub-action, named by 50°; 0° stays alone."""
    at = {"p30": 30, "p50": 50, "p60": 60, "p0": 0}
    text = merged_text({"a": ["p30", "p50"], "b": ["p60", "p0"]}, at, 2, plane(0, 90))
    coverage = measure_coverage(text)
    cosines = np.cos(np.radians([20, 0, 10, 0]))
    assert coverage.cosine == pytest.approx(cosines.mean())
    assert coverage.kept == 1.0
    assert coverage.cosine_any_two == pytest.approx(np.cos(np.radians([20, 30, 30, 10, 50, 60])).mean())
    assert measure_redundancy(text).nearest_cosine == pytest.approx(np.cos(np.radians(50)))
    assert measure_redundancy(text).repeated_in_class == pytest.approx(1 / 4)
    separation = measure_separation(text)
    assert separation.set_distance == pytest.approx(1 / 2)
    # From b alone there is a way to go: 50° from p0 to the shared one; three sub-actions of the two classes in all.
    assert separation.meaning_distance == pytest.approx((1 - np.cos(np.radians(50))) / 3)


def test_near_duplicates_are_seen_and_a_rough_merge_loses_phrases():
    at = {"p0": 0, "p30": 30, "p90": 90, "p140": 140}
    classes = {"a": ["p0", "p30"], "b": ["p90", "p140"]}
    assert measure_redundancy(merged_text(classes, at, 4, plane(0, 90))).near_duplicates == pytest.approx(2 / 4)
    rough = measure_coverage(merged_text(classes, at, 2, plane(0, 90)))
    assert rough.kept == pytest.approx(3 / 4)  # cos 50° is 0.64; the medoid of a pair is its first by name
    assert rough.cosine == pytest.approx((2 + np.cos(np.radians(30)) + np.cos(np.radians(50))) / 4)


@pytest.mark.parametrize("seed", range(6))
def test_separation_is_that_of_sklearn_and_of_the_definition(seed):
    _, embeddings, merged, titles = random_case(seed)
    separation = measure_separation(read_merged(merged, embeddings, titles))
    positions = positions_of(merged, embeddings)
    distance = np.maximum(1 - positions @ positions.T, 0)
    np.fill_diagonal(distance, 0)
    cluster = merged.cluster
    expected = silhouette_score(distance[np.ix_(cluster, cluster)], merged.class_of, metric="precomputed")
    assert separation.silhouette == pytest.approx(expected)
    sets = {name: set(np.flatnonzero(row)) for name, row in zip(merged.class_names, merged.owned, strict=True)}
    pairs = list(itertools.combinations(sorted(sets), 2))
    jaccard = {(y, z): 1 - len(sets[y] & sets[z]) / len(sets[y] | sets[z]) for y, z in pairs}
    meaning = {}
    for y, z in pairs:
        ways = [min(distance[a, b] for b in sets[z]) for a in sets[y]]
        ways += [min(distance[b, a] for a in sets[y]) for b in sets[z]]
        meaning[y, z] = np.mean(ways)
    assert separation.set_distance == pytest.approx(np.mean(list(jaccard.values())))
    assert separation.least_set_distance == pytest.approx(min(jaccard.values()))
    assert separation.least_set_classes == min(pairs, key=lambda pair: (round(jaccard[pair], 9), pair))
    assert separation.meaning_distance == pytest.approx(np.mean(list(meaning.values())))
    assert separation.least_meaning_classes == min(pairs, key=lambda pair: meaning[pair])


@pytest.mark.parametrize(("seed", "classes"), [(0, 3), (1, 4), (2, 5), (3, 6)])
def test_titles_are_rebuilt_as_the_definition_says_each_without_its_own_class(seed, classes):
    _, embeddings, merged, titles = random_case(seed, classes)
    measured = measure_titles(read_merged(merged, embeddings, titles))
    positions, t = positions_of(merged, embeddings), unit(titles)
    pooled = [positions[row].mean(0) for row in merged.owned]
    c = np.zeros((classes, classes))
    for y in range(classes):
        others = np.mean([pooled[z] for z in range(classes) if z != y], axis=0)
        for z in range(classes):
            a, b = pooled[y] - others, t[z] - t.mean(0)
            c[y, z] = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    ranks = [sorted(-c[y]).index(-c[y, y]) + 1 for y in range(classes)]
    assert measured.rank == pytest.approx(np.mean(ranks))
    assert measured.not_found == tuple(f"class {y}" for y in range(classes) if ranks[y] > 1)
    assert measured.top1 == pytest.approx(np.mean([rank == 1 for rank in ranks]))
    assert measured.cosine == pytest.approx(np.diag(c).mean())
    assert measured.cosine_others == pytest.approx(c[~np.eye(classes, dtype=bool)].mean())
    sums = [sum(c[y, z] for y, z in enumerate(order)) for order in itertools.permutations(range(classes))]
    assert measured.as_good_by_chance == pytest.approx(np.mean([s >= np.trace(c) - 1e-9 for s in sums]))


def test_over_all_assignments_of_titles_top1_and_rank_average_to_chance():
    """Nothing in the definition favours or harms a class's own title."""
    _, embeddings, merged, titles = random_case(4, classes=5)
    orders = itertools.permutations(range(5))
    found = [measure_titles(read_merged(merged, embeddings, titles[list(order)])) for order in orders]
    assert np.mean([one.top1 for one in found]) == pytest.approx(1 / 5)
    assert np.mean([one.rank for one in found]) == pytest.approx(3)


def test_many_classes_draw_assignments_and_repeat():
    _, embeddings, merged, titles = random_case(7, classes=9)
    text = read_merged(merged, embeddings, titles)
    assert measure_titles(text) == measure_titles(text)
    positions = positions_of(merged, embeddings)
    said = np.array([positions[row].mean(0) for row in merged.owned])
    perfect = measure_titles(text._replace(titles=said))
    assert perfect.top1 == 1.0
    assert perfect.as_good_by_chance == 1 / 2000


def test_classes_of_one_title_or_of_one_text_never_find_their_own():
    _, embeddings, merged, titles = random_case(5, classes=3)
    same_title = measure_titles(read_merged(merged, embeddings, np.ones_like(titles)))
    assert (same_title.top1, same_title.rank, same_title.as_good_by_chance) == (0.0, 3.0, 1.0)
    text = read_merged(merged, embeddings, titles)
    same_set = measure_titles(text._replace(owned=np.ones_like(text.owned)))
    assert (same_set.top1, same_set.cosine, same_set.as_good_by_chance) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_classes_and_phrases_does_not_matter_at_all(seed):
    vocabulary, embeddings, merged, titles = random_case(seed)
    expected = score_vocabulary(vocabulary, merged, embeddings, titles)
    of = dict(zip(vocabulary.all_phrases(), embeddings, strict=True))
    random = np.random.default_rng(seed)
    order = random.permutation(len(titles))
    names = [vocabulary.class_names[y] for y in order]
    classes = {name: tuple(random.permutation(vocabulary.classes[name])) for name in names}
    other = vocabulary.model_copy(update={"classes": classes})
    moved = np.array([of[phrase] for phrase in other.all_phrases()])
    again = score_vocabulary(other, merge_phrases(other, moved, len(merged.names)), moved, titles[order])
    assert again == expected


def test_a_second_wording_of_a_phrase_changes_redundancy_alone():
    at = {"p0": 0, "p70": 70, "p120": 120, "twin": 70}
    classes = {"a": ["p0", "p70"], "b": ["p70", "p120"]}
    once = merged_text(classes, at, 3, plane(0, 90))
    twice = merged_text({**classes, "a": ["p0", "p70", "twin"]}, at, 3, plane(0, 90))
    assert measure_titles(twice) == measure_titles(once)
    for key in ("set_distance", "meaning_distance", "least_meaning_distance"):
        assert getattr(measure_separation(twice), key) == getattr(measure_separation(once), key)
    assert measure_redundancy(twice).nearest_cosine == measure_redundancy(once).nearest_cosine
    assert measure_redundancy(once).repeated_in_class == pytest.approx(0)
    assert measure_redundancy(twice).repeated_in_class == pytest.approx(1 / 5)


def test_sharing_sub_actions_lowers_the_separation():
    at = {"a1": 0, "a2": 20, "b1": 90, "b2": 110}
    apart = measure_separation(merged_text({"a": ["a1", "a2"], "b": ["b1", "b2"]}, at, 4, plane(0, 90)))
    shared = measure_separation(merged_text({"a": ["a1", "a2", "b1"], "b": ["b1", "b2"]}, at, 4, plane(0, 90)))
    assert shared.silhouette < apart.silhouette - 0.3
    assert (shared.set_distance, apart.set_distance) == (0.75, 1.0)
    assert shared.meaning_distance < apart.meaning_distance


def test_a_class_of_one_phrase_has_the_silhouette_of_none():
    separation = measure_separation(merged_text({"a": ["a1"], "b": ["b1"]}, {"a1": 0, "b1": 90}, 2, plane(0, 90)))
    assert (separation.silhouette, separation.silhouette_shuffled) == (0.0, 0.0)


def test_the_nearest_other_is_never_itself():
    index, cosine = nearest_others(plane(0, 10, 90))
    assert index.tolist() == [1, 0, 1]
    np.testing.assert_allclose(cosine, np.cos(np.radians([10, 10, 80])))


def test_embeddings_of_other_phrases_or_titles_are_refused():
    _, embeddings, merged, titles = random_case(0)
    with pytest.raises(ValueError, match=r"one embedding for each of \d+ phrases and 5 titles"):
        read_merged(merged, embeddings[1:], titles)
    with pytest.raises(ValueError, match=r"one embedding for each of \d+ phrases and 5 titles"):
        read_merged(merged, embeddings, titles[1:])
    with pytest.raises(ValueError, match=r"one embedding for each of \d+ phrases and 5 titles"):
        read_merged(merged, embeddings, titles[:, 1:])
