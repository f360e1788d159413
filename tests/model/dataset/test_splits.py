import itertools

import numpy as np
import pytest

from model.dataset.loading import SplitError, hold_out


def test_each_class_gives_its_rounded_fraction():
    y = np.repeat([0, 1, 2, 3, 4], [1, 2, 3, 10, 21])
    kept, held = hold_out(y, None, 0.25, seed=0)
    assert np.bincount(y[held], minlength=5).tolist() == [0, 1, 1, 3, 5]
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, held])), np.arange(len(y)))
    assert (np.diff(kept) > 0).all()
    assert (np.diff(held) > 0).all()


def test_a_large_fraction_leaves_one_of_each_class():
    y = np.array([0, 0, 0, 1, 1])
    kept, _ = hold_out(y, None, 0.99, seed=0)
    assert sorted(y[kept]) == [0, 1]


def test_the_seed_decides():
    y = np.repeat([0, 1], 20)
    draws = [tuple(hold_out(y, None, 0.25, seed)[1]) for seed in (0, 0, 1, 2)]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 3


def test_every_recording_is_held_out_equally_often():
    y = np.repeat([0, 1], [8, 4])
    counts = np.zeros(12)
    for seed in range(400):
        counts[hold_out(y, None, 0.25, seed)[1]] += 1
    np.testing.assert_allclose(counts, 100, atol=35)  # binomial deviation 8.7


def reference_score(y, groups, held_groups, fraction):
    """The same three criteria, counted recording by recording."""
    lost = missing = 0
    distance = 0.0
    for label in set(y.tolist()):
        members = [g for g, one in zip(groups, y, strict=True) if one == label]
        held = sum(g in held_groups for g in members)
        lost += held == len(members)
        missing += held == 0
        distance += (held / len(members) - fraction) ** 2
    return lost, missing, distance


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_the_best_of_all_subsets(seed):
    generator = np.random.default_rng(seed)
    y, groups = generator.integers(0, 3, 40), generator.integers(0, 6, 40)
    held = set(groups[hold_out(y, groups, 0.25, seed)[1]].tolist())
    names = sorted(set(groups.tolist()))
    subsets = [set(s) for n in range(1, len(names)) for s in itertools.combinations(names, n)]
    best = min(reference_score(y, groups, s, 0.25) for s in subsets)
    assert reference_score(y, groups, held, 0.25) == pytest.approx(best)


@pytest.mark.parametrize("number", [3, 10, 11, 30])
def test_no_group_is_on_both_sides_and_every_class_is(number):
    groups = np.repeat([f"person {i}" for i in range(number)], 8)
    y = np.tile([0, 1, 2, 3], 2 * number)
    kept, held = hold_out(y, groups, 0.25, seed=0)
    assert not set(groups[kept]) & set(groups[held])
    assert set(y[kept]) == set(y[held]) == {0, 1, 2, 3}
    assert abs(len(held) / len(y) - 0.25) <= 0.5 / number + 1e-9


def test_many_groups_of_one_class_each_put_every_class_on_both_sides():
    groups = np.arange(24)
    y = np.arange(24) % 4
    kept, held = hold_out(y, groups, 0.25, seed=0)
    assert np.bincount(y[held]).tolist() == [1, 1, 1, 1] or np.bincount(y[held]).tolist() == [2, 2, 2, 2]
    assert len(kept) + len(held) == 24


def test_a_class_of_one_group_stays_in_the_kept_part():
    groups = np.array([0, 0, 1, 1, 2, 2])
    y = np.array([0, 1, 0, 1, 2, 2])
    kept, _ = hold_out(y, groups, 0.25, seed=0)
    assert 2 in y[kept]
    assert {0, 1} <= set(y[kept])


def test_nothing_to_hold_out():
    with pytest.raises(SplitError, match="no class has two recordings"):
        hold_out(np.array([0, 1, 2]), None, 0.25, seed=0)
    with pytest.raises(SplitError, match=r"one group \(only\)"):
        hold_out(np.array([0, 1, 0]), np.array(["only"] * 3), 0.25, seed=0)
    with pytest.raises(SplitError, match="between 0 and 1"):
        hold_out(np.array([0, 0, 1, 1]), None, 1.0, seed=0)
