from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from model.evaluation.downstream import PENALTIES, confusion, features, scores, write_confusions

RNG = np.random.default_rng(0)


def recordings(n: int, width: int, seed: int, apart: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    return rng.normal(size=(n, width)) * np.linspace(1, 5, width) + apart * np.eye(3, width)[y], y


def test_features_are_laid_out_by_recording_channel_and_token() -> None:
    codes = RNG.normal(size=(5, 3))
    index, numbers = RNG.integers(0, 5, (6, 4)), RNG.normal(size=(6, 4, 4))  # 3 recordings of 2 channels, 4 tokens
    made = features(codes, index, numbers, recordings=3)
    assert made.token.shape == (3, 2 * 4 * (3 + 4))
    assert made.histogram.shape == (3, 2 * 5)
    for recording in range(3):
        token, histogram = [], []
        for channel in range(2):
            series = 2 * recording + channel
            histogram += [int((index[series] == code).sum()) for code in range(5)]
            for n in range(4):
                token += [*codes[index[series, n]], *numbers[series, n]]
        np.testing.assert_array_equal(made.token[recording], token)
        np.testing.assert_array_equal(made.histogram[recording], histogram)


@pytest.mark.slow
@pytest.mark.parametrize("width", [7, 60])  # fewer and more features than recordings
def test_the_penalty_is_the_best_of_a_loop_that_leaves_one_recording_out(width: int) -> None:
    (x, y), (held, truth) = recordings(24, width, 1), recordings(30, width, 2)
    mean, deviation = x.mean(0), x.std(0)
    x_, held_ = (x - mean) / deviation, (held - mean) / deviation
    errors = []
    for penalty in PENALTIES:
        error = 0.0
        for i in range(24):
            rest = np.arange(24) != i
            scored = RidgeClassifier(alpha=penalty).fit(x_[rest], y[rest]).decision_function(x_[i : i + 1])[0]
            error += ((scored - (2.0 * (np.arange(3) == y[i]) - 1)) ** 2).sum()
        errors.append(error)
    best = RidgeClassifier(alpha=PENALTIES[int(np.argmin(errors))]).fit(x_, y)
    expected = confusion_matrix(truth, best.predict(held_), labels=range(3))
    np.testing.assert_array_equal(confusion(x, y, held, truth, 3), expected)


def test_it_repeats_bit_for_bit_and_sees_no_held_out_label() -> None:
    (x, y), (held, truth) = recordings(24, 60, 3), recordings(30, 60, 4)
    first = confusion(x, y, held, truth, 3)
    np.testing.assert_array_equal(confusion(x, y, held, truth, 3), first)
    predicted = first.sum(0)
    np.testing.assert_array_equal(confusion(x, y, held, (truth + 1) % 3, 3).sum(0), predicted)


def test_constant_features_change_nothing() -> None:
    (x, y), (held, truth) = recordings(24, 8, 5), recordings(30, 8, 6)
    wider = [np.hstack([part, np.full((len(part), 2), 4.0)]) for part in (x, held)]
    np.testing.assert_array_equal(confusion(wider[0], y, wider[1], truth, 3), confusion(x, y, held, truth, 3))


def test_scores_are_those_of_scikit_learn() -> None:
    truth, predicted = RNG.integers(0, 4, 50), RNG.integers(0, 3, 50)
    matrix = confusion_matrix(truth, predicted, labels=range(6))  # classes 4 and 5 never occur
    expected = accuracy_score(truth, predicted), f1_score(truth, predicted, average="macro", zero_division=0)
    assert scores(matrix) == pytest.approx(expected)


def test_features_that_are_not_finite_have_no_score() -> None:
    (x, y), (held, truth) = recordings(24, 8, 5), recordings(30, 8, 6)
    held[3, 2] = np.nan
    assert all(math.isnan(score) for score in scores(confusion(x, y, held, truth, 3)))


def test_the_table_has_a_row_per_pair_of_classes(tmp_path: Path) -> None:
    write_confusions(tmp_path / "confusion.csv", {"token": np.array([[3, 1], [0, 4]])}, ("sit, still", "walk"))
    assert (tmp_path / "confusion.csv").read_text() == (
        "classifier,true,predicted,recordings\n"
        'token,"sit, still","sit, still",3\n'
        'token,"sit, still",walk,1\n'
        'token,walk,"sit, still",0\n'
        "token,walk,walk,4\n"
    )
