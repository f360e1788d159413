from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from model.configuration.reading import Configuration
from model.evaluation import bootstrap
from model.evaluation.bootstrap import Interval, bootstrap_intervals, metric_intervals
from model.evaluation.evaluate import evaluate
from model.network.alignment import ClassText
from model.network.batch import Batch
from model.network.building import build_model, longest_window


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape)


def test_of_three_recordings_it_is_the_quantiles_of_all_27_resamples() -> None:
    top, bottom = draw(3, 2), 0.5 + draw(3, 2, seed=1)
    every = [list(rows) for rows in itertools.product(range(3), repeat=3)]
    ratios = np.array([top[rows].sum(0) / bottom[rows].sum(0) for rows in every])
    found = bootstrap_intervals(top, bottom, resamples=200_000, confidence=0.8)
    # The inverse of the step-wise distribution: many draws have each of the 27 about equally often.
    expected = np.quantile(ratios, [0.1, 0.9], axis=0, method="inverted_cdf")
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_of_many_recordings_a_mean_has_the_interval_of_the_normal_distribution() -> None:
    values = np.random.default_rng(3).normal(2.0, 0.5, (400, 1))
    low, high = bootstrap_intervals(values, np.ones_like(values), resamples=20_000)
    half = 1.96 * values.std() / np.sqrt(400)
    assert float(low[0]) == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert float(high[0]) == pytest.approx(values.mean() + half, abs=0.05 * half)


def test_parts_are_ratios_of_their_own_of_which_the_mean_is_taken() -> None:
    top, bottom = draw(12, 1, 3), 0.1 + draw(12, 1, 3, seed=1)
    found = bootstrap_intervals(top, bottom, resamples=50, seed=7)
    counts = np.random.default_rng(7).multinomial(12, np.full(12, 1 / 12), size=50)
    values = []
    for times in counts:
        rows = np.repeat(np.arange(12), times)
        values.append(np.mean([top[rows, 0, c].sum() / bottom[rows, 0, c].sum() for c in range(3)]))
    np.testing.assert_allclose(np.ravel(found), np.quantile(values, [0.025, 0.975]))


def test_a_constant_channel_is_left_out_and_a_metric_of_nothing_is_not_defined() -> None:
    top, bottom = draw(9, 2, 2), 0.1 + draw(9, 2, 2, seed=1)
    bottom[:, :, 1] = 0.0
    expected = bootstrap_intervals(top[..., :1], bottom[..., :1])
    np.testing.assert_array_equal(bootstrap_intervals(top, bottom), expected)
    bottom[:, 0] = 0.0
    found = bootstrap_intervals(top, bottom)
    assert np.isnan([found.low[0], found.high[0]]).all()
    np.testing.assert_array_equal([found.low[1], found.high[1]], [expected.low[1], expected.high[1]])


def test_a_resample_without_the_only_recording_that_counts_is_left_out() -> None:
    top, bottom = np.array([[3.0], [0.0]]), np.array([[2.0], [0.0]])
    np.testing.assert_allclose(np.ravel(bootstrap_intervals(top, bottom)), [1.5, 1.5])


def test_the_seed_decides_and_every_metric_is_taken_of_the_same_resamples() -> None:
    top, bottom = draw(12, 1), 0.5 + draw(12, 1, seed=1)
    first = bootstrap_intervals(top, bottom)
    np.testing.assert_array_equal(first, bootstrap_intervals(top, bottom))
    assert not np.array_equal(first, bootstrap_intervals(top, bottom, seed=1))
    twice = bootstrap_intervals(np.concatenate([top, 2 * top], axis=1), np.concatenate([bottom, bottom], axis=1))
    np.testing.assert_allclose(twice.low[1], 2 * twice.low[0])
    np.testing.assert_allclose(twice.low[0], first.low[0])


def test_one_recording_has_no_width() -> None:
    np.testing.assert_allclose(np.ravel(bootstrap_intervals(np.array([[2.0]]), np.array([[4.0]]))), [0.5, 0.5])


@pytest.mark.parametrize(("top", "bottom"), [((3, 2), (3, 1)), ((3,), (3,)), ((0, 2), (0, 2))])
def test_arrays_that_do_not_fit_are_refused(top: tuple[int, ...], bottom: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected the same shape \(recordings, metrics\)"):
        bootstrap_intervals(np.ones(top), np.ones(bottom))


@pytest.mark.parametrize("kind", ["separate", "fused"])
def test_intervals_of_metrics_are_of_the_same_sums_and_hold_the_metric(
    small: dict, class_text: ClassText, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = Configuration(**small | {"architecture": small["architecture"] | {"channels": kind}})
    model, longest = build_model(configuration, class_text, 2), longest_window(configuration)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(9, 2, 64, generator=generator)
    train = Batch((x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True), torch.arange(9) % 3)
    held_out = train.take(slice(0, 6))
    measured = evaluate(model, train, held_out, longest, 0.1)
    found = metric_intervals(model, train, held_out, longest)
    assert set(found) == {
        *("stitch_fvu", "line_fvu", "shape_skill"),
        *("action_kl_ratio", "within_class_kl_ratio", "class_oracle_ratio"),
        *("naming_error", "within_class_naming_error"),
    }
    # Where the commonest name of a class is right for all its tokens, there is nothing to be better than.
    undefined = {name for name, (low, high) in found.items() if np.isnan(low) and np.isnan(high)}
    assert undefined <= {"within_class_naming_error"}
    for name, (low, high) in found.items():
        assert name in undefined or low <= measured[name] <= high
    # Drawn as it is, a split gives the metric itself.
    monkeypatch.setattr(bootstrap, "bootstrap_intervals", lambda top, bottom: _as_it_is(top, bottom))
    for name, (low, high) in metric_intervals(model, train, held_out, longest).items():
        assert name in undefined or low == high == pytest.approx(measured[name], rel=1e-4)


def _as_it_is(top: np.ndarray, bottom: np.ndarray) -> Interval:
    ratio = top.sum(0) / bottom.sum(0)
    ratio = ratio.mean(-1) if ratio.ndim == 2 else ratio
    return Interval(ratio, ratio)
