from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from results.front.dominance import volume
from search.policy.front_sampler import FrontSampler, Prediction, expected_gain, scaled, share_of, value_at

SIZES = CategoricalDistribution((8, 16, 32, 64))
KINDS = CategoricalDistribution(("head", "decoder"))


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_the_expected_gain_is_the_mean_over_draws(objectives: int) -> None:
    rng = np.random.default_rng(objectives)
    front, reference = rng.random((6, objectives)) + 0.1, np.ones(objectives)  # some lie beyond the reference
    mean, deviation = rng.random((5, objectives)), 0.1 + 0.3 * rng.random((5, objectives))
    found = expected_gain(Prediction(mean, deviation), front, reference)
    drawn = mean[:, None] + deviation[:, None] * rng.standard_normal((5, 4000, objectives))
    now = volume(front, reference=reference)
    gains = np.array([[volume(np.vstack([front, y]), reference=reference) - now for y in of] for of in drawn])
    error = gains.std(1) / np.sqrt(gains.shape[1])
    assert (np.abs(found - gains.mean(1)) < 4 * error + 1e-9).all()


@pytest.mark.parametrize(
    ("distribution", "values"),
    [
        (SIZES, [8, 16, 32, 64]),
        (IntDistribution(9, 20), range(9, 21)),
        (IntDistribution(2, 8, step=3), [2, 5, 8]),
        (FloatDistribution(0.05, 0.95, step=0.15), [0.05 + 0.15 * i for i in range(7)]),
    ],
)
def test_values_have_their_share_of_the_range(
    distribution: optuna.distributions.BaseDistribution, values: list
) -> None:
    shares = [share_of(distribution, value) for value in values]
    assert shares == pytest.approx((np.arange(len(values)) + 0.5) / len(values))
    assert [value_at(distribution, share) for share in shares] == pytest.approx(list(values))
    assert [value_at(distribution, share) for share in (0.0, 1.0)] == pytest.approx([values[0], values[-1]])


@pytest.mark.parametrize(("log", "middle"), [(False, 0.505), (True, 0.1)])
def test_ranges_without_steps_may_be_logarithmic(log: bool, middle: float) -> None:
    distribution = FloatDistribution(0.01, 1.0, log=log)
    assert value_at(distribution, 0.5) == pytest.approx(middle)
    for value in (0.01, 0.02, 0.5, 1.0):
        assert value_at(distribution, share_of(distribution, value)) == pytest.approx(value)


def test_whole_numbers_may_be_logarithmic() -> None:
    """Each has the part of the logarithmic range from half of one below it to half of one above."""
    distribution = IntDistribution(1, 100, log=True)
    borders = [np.log(value / 0.5) / np.log(201) for value in (0.5, 1.5, 2.5, 99.5, 100.5)]
    for value, low, high in ((1, *borders[:2]), (2, *borders[1:3]), (100, *borders[3:])):
        assert low < share_of(distribution, value) < high
        assert [value_at(distribution, share) for share in (low + 1e-9, high - 1e-9)] == [value, value]
    assert [value_at(distribution, share) for share in (0.0, 0.5, 1.0)] == [1, 7, 100]
    assert all(value_at(distribution, share_of(distribution, value)) == value for value in range(1, 101))
    large = IntDistribution(1, 2**53, log=True)
    assert [value_at(large, share_of(large, value)) for value in (1, 2, 3**20)] == [1, 2, 3**20]


def test_objectives_above_zero_are_taken_as_logarithms() -> None:
    y = np.array([[1.0, -1.0], [0.1, 2.0], [0.0, 3.0]])
    logarithms, reference = scaled(y, np.array([2.0, 5.0]))
    np.testing.assert_allclose(logarithms[:, 0], np.log([1.0, 0.1, 1e-4]))
    np.testing.assert_array_equal(logarithms[:, 1], y[:, 1])
    np.testing.assert_allclose(reference, [np.log(2.0), 5.0])


def study_of(rows: list[tuple[dict, list[float], dict[str, float]]], distributions: dict) -> optuna.Study:
    study = optuna.create_study(directions=["minimize", "maximize"])
    for params, values, constraints in rows:
        study.add_trial(create_trial(params=params, distributions=distributions, state=TrialState.RUNNING))
        trial = optuna.trial.Trial(study, study.trials[-1]._trial_id)
        for name, amount in constraints.items():
            trial.set_constraint(name, amount)
        study.tell(trial, values)
    return study


def next_point(study: optuna.Study, distributions: dict, seed: int = 0) -> dict:
    study.sampler = FrontSampler(distributions, (1.0, 0.0), seed)
    return study.ask(fixed_distributions=distributions).params


@pytest.mark.parametrize("sizes", [SIZES, IntDistribution(8, 11, log=True)])
def test_every_point_of_a_grid_is_proposed_once(sizes: optuna.distributions.BaseDistribution) -> None:
    distributions = {"size": sizes, "kind": KINDS}
    study, seen = study_of([({"size": 8, "kind": "head"}, [0.5, 0.5], {})], distributions), set()
    for number in range(7):
        point = next_point(study, distributions, number)
        seen.add((point["size"], point["kind"]))
        if number % 2:  # every other one is still running when the next is asked for
            study.tell(study.trials[-1].number, [0.4, 0.6])
    assert len(seen | {(8, "head")}) == 8
    assert next_point(study, distributions)["size"] in (8, 9, 10, 11, 16, 32, 64)  # then it begins again


@pytest.mark.parametrize(
    ("of_x", "first"), [(FloatDistribution(0.01, 1.0, log=True), 0.125), (IntDistribution(1, 5000, log=True), 8)]
)
def test_no_point_of_a_range_is_proposed_twice(of_x: optuna.distributions.BaseDistribution, first: float) -> None:
    distributions = {"x": of_x, "kind": KINDS}
    study = study_of([({"x": first, "kind": "head"}, [first, 0.5], {})], distributions)
    for number in range(10):  # the border is best, and nothing else
        x = next_point(study, distributions, number)["x"]
        study.tell(study.trials[-1].number, [x, 0.5])
    points = [(trial.params["x"], trial.params["kind"]) for trial in study.trials]
    assert len(set(points)) == len(points)


def test_it_goes_where_the_front_gains_and_guards_are_kept() -> None:
    """The first objective falls and the second rises with x; the guard breaks above x = 0.6."""
    distributions = {"x": FloatDistribution(0.0, 1.0), "kind": KINDS}

    def row(x: float, kind: str) -> tuple[dict, list[float], dict[str, float]]:
        good = 0.3 if kind == "decoder" else 0.0
        return {"x": x, "kind": kind}, [0.9 - 0.6 * x - good, 0.1 + 0.5 * x + good], {"limit": x - 0.6}

    rows = [row(x, kind) for x in (0.05, 0.2, 0.35, 0.55, 0.75, 0.95) for kind in KINDS.choices]
    study = study_of(rows, distributions)
    point = next_point(study, distributions)
    assert point["kind"] == "decoder"
    assert 0.5 < point["x"] < 0.62
    without = study_of([(params, values, {}) for params, values, _ in rows], distributions)
    assert next_point(without, distributions)["x"] > 0.9


def test_it_looks_beside_what_lines_have_filled() -> None:
    """Over x in [0, 1] the objectives are x and x: the front is a line, and a part of it is taken by lines."""
    distributions = {"x": FloatDistribution(0.0, 1.0)}
    rows = [({"x": x}, [max(x, 1e-3), x], {}) for x in (0.1, 0.5, 0.9)]
    study = study_of(rows, distributions)
    for low, high in ((0.02, 0.5), (0.5, 0.98)):
        filled = [[x, x] for x in np.linspace(low, high, 60)]
        study.sampler = FrontSampler(distributions, (1.0, 0.0), 0, filled)
        found = study.ask(distributions).params["x"]
        assert not low < found < high, found


def test_without_a_point_that_keeps_the_guards_it_looks_for_one() -> None:
    distributions = {"x": FloatDistribution(0.0, 1.0)}
    rows = [({"x": x}, [0.5, 0.5], {"limit": 0.9 - x}) for x in (0.0, 0.2, 0.4, 0.6)]
    assert next_point(study_of(rows, distributions), distributions)["x"] > 0.75


def test_what_is_running_is_not_proposed_again() -> None:
    distributions = {"x": FloatDistribution(0.0, 1.0)}
    tried = (0.0, 0.1, 0.2, 0.8, 0.9, 1.0)
    study = study_of([({"x": x}, [0.1 + x**2, 1 - (1 - x) ** 2], {}) for x in tried], distributions)
    points = [next_point(study, distributions, seed)["x"] for seed in range(4)]
    assert [trial.state for trial in study.trials[6:]] == [TrialState.RUNNING] * 4
    assert all(0.2 < x < 0.8 for x in points)
    assert np.diff(np.sort(points)).min() > 0.02
