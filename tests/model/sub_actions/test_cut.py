import itertools
import random
from pathlib import Path

import numpy as np
import pytest

from model.sub_actions.cut import merge_phrases, valid_range
from model.sub_actions.tree import MergeTree
from model.sub_actions.vocabulary import SubActionError, load_vocabulary

SPACES = Path(__file__).parents[3] / "spaces" / "sub_actions"


def vocabulary(**classes):
    return load_vocabulary({"name": "test", "classes": classes})


def at_angles(words, angles):
    """Unit vectors in the plane, so that every cosine can be written down."""
    return np.array([[np.cos(np.radians(angles[word])), np.sin(np.radians(angles[word]))] for word in words])


def random_case(seed, classes=3, phrases=4, pool=7, width=4):
    """A random vocabulary with shared phrases, and one embedding per different phrase."""
    generator = random.Random(seed)
    words = [f"phrase {i}" for i in range(pool)]
    vectors = dict(zip(words, np.random.default_rng(seed).normal(size=(pool, width)), strict=True))
    chosen = {f"class {c}": generator.sample(words, phrases) for c in range(classes)}
    return vocabulary(**chosen), vectors


def embed(given, vectors):
    return np.array([vectors[phrase] for phrase in given.all_phrases()])


def brute_force(given, vectors, k):
    """Average linkage as its definition says: join the two groups of the smallest mean distance, again and again."""
    phrases = given.all_phrases()
    groups = [[p for p in phrases if p == word] for word in sorted(set(phrases))]
    unit = {p: v / np.linalg.norm(v) for p, v in vectors.items()}

    def distance(pair):
        one, other = groups[pair[0]], groups[pair[1]]
        return np.mean([1 - unit[a] @ unit[b] for a in one for b in other])

    while len(groups) > k:
        i, j = min(itertools.combinations(range(len(groups)), 2), key=distance)
        groups[i] += groups.pop(j)
    return {frozenset(group) for group in groups}


def partition(merged):
    return {
        frozenset(p for p, c in zip(merged.phrases, merged.cluster, strict=True) if c == k)
        for k in range(len(merged.names))
    }


@pytest.mark.parametrize("seed", range(8))
def test_clusters_are_those_of_brute_force(seed):
    given, vectors = random_case(seed)
    embeddings = embed(given, vectors)
    for k in valid_range(given, embeddings):
        assert partition(merge_phrases(given, embeddings, k)) == brute_force(given, vectors, k)


@pytest.mark.parametrize("seed", range(8))
def test_order_of_classes_and_phrases_changes_nothing(seed):
    given, vectors = random_case(seed)
    generator = random.Random(seed)
    order = list(given.class_names)
    generator.shuffle(order)
    other = vocabulary(**{name: generator.sample(given.classes[name], 4) for name in order})
    noise = np.random.default_rng(seed).normal(scale=1e-8, size=(12, 4))  # as a batch of another order would give
    for k in valid_range(given, embed(given, vectors)):
        first = merge_phrases(given, embed(given, vectors), k)
        second = merge_phrases(other, embed(other, vectors) + noise, k)
        assert first.names == second.names
        assert dict(zip(first.phrases, first.cluster, strict=True)) == dict(
            zip(second.phrases, second.cluster, strict=True)
        )
        for name in order:
            row = first.owned[first.class_names.index(name)]
            np.testing.assert_array_equal(row, second.owned[second.class_names.index(name)])
        assert [merge[:2] for merge in first.merges] == [merge[:2] for merge in second.merges]


@pytest.mark.parametrize("seed", range(4))
def test_invariants(seed):
    given, vectors = random_case(seed)
    for k in valid_range(given, embed(given, vectors)):
        merged = merge_phrases(given, embed(given, vectors), k)
        assert len(merged.names) == k == len(set(merged.cluster))
        assert list(merged.names) == sorted(merged.names)
        owned = np.zeros_like(merged.owned)
        for phrase, cluster, class_index in zip(merged.phrases, merged.cluster, merged.class_of, strict=True):
            assert phrase in given.classes[merged.class_names[class_index]]
            owned[class_index, cluster] = True
        np.testing.assert_array_equal(merged.owned, owned)
        for index, name in enumerate(merged.names):
            assert merged.cluster[merged.phrases.index(name)] == index
        for c, name in enumerate(merged.class_names):
            assert sorted(merged.shared[name] + merged.own[name]) == [
                merged.names[j] for j in range(k) if merged.owned[c, j]
            ]
            for sub_action in merged.own[name]:
                assert merged.owned[:, merged.names.index(sub_action)].sum() == 1


def test_ties_still_give_exactly_k():
    words = ["a", "b", "c", "d"]  # all distances equal: a threshold can give 4 clusters or 1, nothing between
    given, embeddings = vocabulary(one=words[:2], two=words[2:]), np.eye(4)
    assert valid_range(given, embeddings) == [2, 3, 4]
    for k in (2, 3, 4):
        assert len(merge_phrases(given, embeddings, k).names) == k


def test_identical_phrases_are_one_before_anything_merges():
    given = vocabulary(one=["x", "y"], two=["x", "z"])
    same = np.ones((4, 3))  # even where the encoder cannot tell any phrases apart
    merged = merge_phrases(given, same, 3)
    assert merged.names == ("x", "y", "z")
    assert merged.merges == ()
    assert merged.shared == {"one": ("x",), "two": ("x",)}
    assert merged.own == {"one": ("y",), "two": ("z",)}


def test_medoid_and_similarities_by_hand():
    angles = {"a": 0, "b": 10, "c": 30, "far": 180}
    given = vocabulary(one=["a", "b", "far"], two=["c"])
    merged = merge_phrases(given, at_angles(given.all_phrases(), angles), 2)
    assert merged.names == ("b", "far")  # b: cos 10 + cos 20 is more than a's cos 10 + cos 30
    assert [merge[:2] for merge in merged.merges] == [(("a",), ("b",)), (("a", "b"), ("c",))]
    cosines = np.cos(np.radians([10, 20, 30]))
    assert merged.merges[0].similarity == pytest.approx(cosines[0], abs=1e-5)
    assert merged.merges[1].similarity == pytest.approx((cosines[1] + cosines[2]) / 2, abs=1e-5)


def test_the_more_used_phrase_names_a_pair():
    given = vocabulary(one=["b", "far"], two=["a", "other"], three=["b", "third"])
    angles = {"a": 0, "b": 10, "far": 90, "other": 180, "third": 270}
    assert "b" in merge_phrases(given, at_angles(given.all_phrases(), angles), 4).names


@pytest.mark.parametrize(("threshold", "clusters"), [(1.0, 4), (0.99, 4), (0.98, 3), (0.9, 2)])
def test_threshold(threshold, clusters):
    angles = {"a": 0, "b": 10, "c": 30, "far": 180}  # cosines 0.985, then 0.903 on average
    words = ["a", "b", "far", "c"]
    assert MergeTree(words, at_angles(words, angles)).count_at(threshold) == clusters


def test_threshold_at_the_exact_similarity_merges():
    assert MergeTree(["a", "b", "x"], np.array([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]])).count_at(0.6) == 2


def test_classes_that_own_the_same_are_refused():
    given = vocabulary(walk=["a", "c"], run=["b", "d"], sit=["e"])
    angles = {"a": 0, "b": 1, "c": 90, "d": 92, "e": 180}
    embeddings = at_angles(given.all_phrases(), angles)
    assert valid_range(given, embeddings) == [4, 5]
    with pytest.raises(SubActionError, match="with 3 sub-actions the classes walk and run own the same"):
        merge_phrases(given, embeddings, 3)
    assert MergeTree(given.all_phrases(), embeddings).count_at(-1.0) == 1
    with pytest.raises(SubActionError, match="with 1 sub-actions the classes walk and run"):
        merge_phrases(given, embeddings, 1)


@pytest.mark.parametrize("k", [-1, 0, 4, 100])
def test_k_out_of_range(k):
    given = vocabulary(one=["a", "b"], two=["a", "c"])
    with pytest.raises(SubActionError, match=f"{k} sub-actions cannot be made of 3 different phrases"):
        merge_phrases(given, np.eye(4), k)


def test_wrong_arguments():
    given = vocabulary(one=["a"], two=["b"])
    with pytest.raises(SubActionError, match=r"one embedding for each of 2 phrases, got shape \(3, 3\)"):
        merge_phrases(given, np.eye(3), 2)
    with pytest.raises(SubActionError, match="embedding of the phrase 'b' is zero or not finite"):
        merge_phrases(given, np.array([[1.0, 0.0], [np.nan, 0.0]]), 2)


def test_a_merge_says_what_is_shared_what_was_merged_and_which_opposites():
    given = vocabulary(one=["lift foot", "sit"], two=["lower foot", "turn"])
    angles = {"lift foot": 0, "lower foot": 20, "sit": 120, "turn": 240}
    merged = merge_phrases(given, at_angles(given.all_phrases(), angles), 3)
    assert merged.shared == {"one": ("lift foot",), "two": ("lift foot",)}
    assert merged.own == {"one": ("sit",), "two": ("turn",)}
    (merge,) = merged.merges
    assert merge[:2] == (("lift foot",), ("lower foot",))
    assert merge.similarity == pytest.approx(np.cos(np.radians(20)), abs=1e-5)
    assert merged.phrases_of(0) == ["lift foot", "lower foot"]
    assert merged.owners_of(0) == ["one", "two"]
    assert merged.opposites() == [("lift foot", "lower foot", "lift/lower")]


@pytest.mark.parametrize("name", ["basic_motions", "epilepsy"])
def test_shipped_vocabularies(name, encoder):
    given = load_vocabulary(SPACES / f"{name}.yaml")
    assert all(len(phrases) == 10 for phrases in given.classes.values())
    assert all(2 <= len(phrase.split()) <= 7 for phrase in given.all_phrases())
    embeddings = encoder.encode(given.all_phrases())
    assert set(range(7, 25)) <= set(valid_range(given, embeddings))
    for k in range(9, 25):
        assert merge_phrases(given, embeddings, k).opposites() == []
    merged = merge_phrases(given, embeddings, 12)
    assert all(merged.shared[name] and merged.own[name] for name in given.class_names)
