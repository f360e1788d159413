"""The bootstrap of a choice: exact against an enumeration of all resamples, seeded, and indifferent to row order."""

import itertools

import numpy as np
import pytest

from results.front.knee import Rule, Stability, knee, nearest_to_utopia, stabilities

FRONT = np.array([[0.0, 1.0], [0.2, 0.3], [0.55, 0.2], [1.0, 0.0]])
REFERENCE = np.array([1.1, 1.1])


def stability(seeds, reference, rule: Rule, **others) -> Stability:
    (found,) = stabilities(seeds, reference, [rule], **others)
    return found


def by_hand(points: np.ndarray, rule, near: float) -> Stability:
    """Every resample of a handful of points, each as likely as the next."""
    extent = np.ptp(points, axis=0)
    chosen = rule(points, REFERENCE)
    same = close = held = 0
    draws = list(itertools.product(range(len(points)), repeat=len(points)))
    for draw in draws:
        members = sorted(set(draw))
        pick = members[rule(points[members], REFERENCE)]
        same += pick == chosen
        close += bool(np.all(np.abs(points[pick] - points[chosen]) <= near * extent))
        held += chosen in members
    return Stability(chosen, same / len(draws), close / len(draws), held / len(draws))


@pytest.mark.parametrize("rule", [knee, nearest_to_utopia])
def test_it_approaches_the_enumeration_of_all_resamples(rule) -> None:
    points = np.vstack([FRONT, [[0.21, 0.31]]])[:4] if rule is knee else FRONT
    expected = by_hand(points, rule, 0.05)
    found = stability([point[None] for point in points], REFERENCE, rule, resamples=4000)
    assert found.chosen == expected.chosen
    # Four standard errors of a share of 4000 draws.
    assert found[1:] == pytest.approx(expected[1:], abs=4 * 0.5 / 4000**0.5)
    assert expected.held == pytest.approx(1 - (1 - 1 / 4) ** 4)


def test_a_point_nearby_counts_as_near_and_not_as_the_same() -> None:
    twin = FRONT[1] + [0.01, -0.01]
    alone = stability([point[None] for point in FRONT], REFERENCE, knee)
    found = stability([point[None] for point in [*FRONT, twin]], REFERENCE, knee)
    assert alone.near == alone.same
    assert found.near > found.same + 0.1
    assert found.near > alone.near


def test_the_same_seed_gives_the_same_figures() -> None:
    seeds = [point[None] for point in FRONT]
    assert stability(seeds, REFERENCE, knee) == stability(seeds, REFERENCE, knee)
    assert stability(seeds, REFERENCE, knee) != stability(seeds, REFERENCE, knee, seed=1)


def test_rules_asked_together_choose_as_each_alone() -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, (4, 3, 2))
    seeds = list(FRONT[:, None] + noise)
    found = stabilities(seeds, REFERENCE, [knee, nearest_to_utopia])
    assert found == [stability(seeds, REFERENCE, rule) for rule in (knee, nearest_to_utopia)]


def test_seeds_that_scatter_make_a_choice_less_sure() -> None:
    rivals = np.array([[0.0, 1.0], [0.2, 0.3], [0.4, 0.15], [1.0, 0.0]])
    noise = np.random.default_rng(0).normal(size=(4, 3, 2))
    noise -= noise.mean(axis=1, keepdims=True)  # the means stay
    sure, unsure = (stability(list(rivals[:, None] + scale * noise), REFERENCE, knee) for scale in (1e-6, 0.3))
    assert sure.chosen == unsure.chosen == 1
    assert unsure.same < sure.same - 0.05


def test_one_point_is_always_chosen() -> None:
    assert stability([np.array([[0.3, 0.4]])], REFERENCE, knee) == Stability(0, 1.0, 1.0, 1.0)


def test_dominated_points_are_never_chosen_while_the_front_is_drawn() -> None:
    points = [*FRONT, np.array([0.9, 0.9])]
    found = stability([point[None] for point in points], REFERENCE, knee)
    assert found.chosen == 1
    assert 0.5 < found.same <= found.held
