from __future__ import annotations

import numpy as np
import pytest

from model.sub_actions.alternatives import Alternatives, ownership_sets

# Classes p, q, r: 0 and 3 belong to p alone, 1 and 4 to p and q, 2 to r.
OWNED = np.array([[1, 1, 0, 1, 1], [0, 1, 0, 0, 1], [0, 0, 1, 0, 0]])
NAMES = ("a", "b", "c", "d", "e")


def test_sets_are_numbered_by_their_first_sub_action() -> None:
    assert ownership_sets(OWNED).tolist() == [0, 1, 2, 0, 1]
    assert ownership_sets(OWNED[::-1]).tolist() == [0, 1, 2, 0, 1], "the order of the classes does not matter"
    assert ownership_sets(np.eye(4, dtype=bool)).tolist() == [0, 1, 2, 3]
    assert ownership_sets(np.ones((2, 3))).tolist() == [0, 0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_sets_are_those_of_equal_columns(seed: int) -> None:
    owned = np.random.default_rng(seed).random((3, 30)) < 0.5
    found = ownership_sets(owned)
    for k in range(30):
        for other in range(30):
            assert (found[k] == found[other]) == np.array_equal(owned[:, k], owned[:, other])


def test_a_name_has_the_others_of_its_set_after_it() -> None:
    assert Alternatives.of(NAMES, OWNED).names == ("a | d", "b | e", "c", "d | a", "e | b")


@pytest.mark.parametrize(
    ("count", "expected"), [(1, "a"), (2, "a | b"), (3, "a | b | c"), (4, "a | b | +2"), (5, "a | b | +3")]
)
def test_a_large_set_says_how_many_more_there_are(count: int, expected: str) -> None:
    assert Alternatives.of(NAMES[:count], np.ones((1, count))).names[0] == expected


def test_probabilities_of_a_set_are_added_up() -> None:
    alternatives, p = Alternatives.of(NAMES, OWNED), np.array([0.25, 0.125, 0.375, 0.0625, 0.1875], dtype=np.float32)
    joined = alternatives.joined(np.stack([p, p[::-1]]))
    np.testing.assert_array_equal(joined, [[0.3125, 0.3125, 0.375], [0.3125, 0.3125, 0.375]])
    assert joined.dtype == np.float32
    np.testing.assert_array_equal(alternatives.leaders(p), [0, 4, 2])


def test_the_likeliest_set_may_lack_the_likeliest_sub_action() -> None:
    p = np.array([0.125, 0.25, 0.375, 0.0, 0.25])
    chosen, probability = Alternatives.of(NAMES, OWNED).likeliest(p, 2)
    assert chosen.tolist() == [1, 2], "b and e together; of these the first"
    assert probability.tolist() == [0.5, 0.375]
    chosen, probability = Alternatives.of(NAMES, OWNED).likeliest(p, 9)
    assert chosen.tolist() == [1, 2, 0], "there are three"


def test_without_sets_of_several_nothing_changes() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(4), (3, 2))
    alternatives = Alternatives.of("abcd", np.eye(4))
    chosen, probability = alternatives.likeliest(p)
    np.testing.assert_array_equal(alternatives.joined(p), p)
    np.testing.assert_array_equal(chosen[..., 0], p.argmax(-1))
    np.testing.assert_array_equal(probability[..., 0], p.max(-1))
    assert alternatives.names == tuple("abcd")
