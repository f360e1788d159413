from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.meaning import zero_shot
from benchmarks.meaning.__main__ import main
from benchmarks.meaning.clusters import name_clusters
from benchmarks.meaning.designs import DESIGNS, GAP, LONGEST, SHORTEST, draw, prepare
from benchmarks.meaning.naming import Tokens, figures, token_truth
from benchmarks.meaning.training import Task, perform
from model.configuration.reading import Configuration
from model.network.alignment import ClassText
from model.network.batch import Batch
from model.training.run import ShapeActionRun


@pytest.mark.parametrize("name", DESIGNS)
def test_recordings_show_what_their_class_owns_and_nothing_else(name: str) -> None:
    design, drawn = DESIGNS[name], draw(DESIGNS[name], 20, 7)
    owned = design.owned()
    assert len({row.tobytes() for row in owned.T}) == len(design.owners)  # names can follow from classes
    assert np.bincount(drawn.y).tolist() == [
        20 // len(design.classes) + (c < 20 % len(design.classes)) for c in range(len(design.classes))
    ]
    for y, truth in zip(drawn.y, drawn.truth, strict=True):
        assert set(truth[truth >= 0]) <= set(np.flatnonzero(owned[y]))
        ends = np.flatnonzero(np.diff(truth) != 0)
        runs = np.diff(ends)
        of_gap = truth[ends[:-1] + 1] < 0
        assert runs[of_gap].max(initial=0) <= GAP
        # Two of a kind may follow each other without a gap.
        assert runs[~of_gap].min() >= SHORTEST
    assert drawn.x.shape == (20, len(design.waves[0]), 512)
    again = draw(design, 20, 7)
    assert np.array_equal(drawn.x, again.x)
    assert LONGEST > SHORTEST


@pytest.mark.parametrize("name", ["three", "other"])
def test_no_channel_alone_tells_the_primitives_of_three_channels_apart(name: str) -> None:
    waves = DESIGNS[name].waves
    assert len(set(waves)) == len(waves)
    for channel in range(3):
        column = [of[channel] for of in waves]
        assert all(column.count(wave) > 1 for wave in column)


def by_hand() -> tuple[Tokens, np.ndarray, np.ndarray, np.ndarray]:
    """One recording of eight samples, four windows of two; code 0 says 0, code 1 says 2."""
    truth = np.array([[0, 0, 1, 1, 2, -1, 0, 0]])
    start, length = np.array([[0, 2, 4, 6]]) / 7, np.full((1, 4), 1 / 7)
    q = np.array([[0.8, 0.1, 0.1], [0.1, 0.3, 0.6]])
    tokens = Tokens(np.array([[0, 1, 1, 1]]), start, length, q)
    return tokens, truth, np.array([0]), np.array([[True, True, True]])


def test_the_truth_of_a_window_is_what_fills_most_of_it() -> None:
    truth = np.array([[0, 0, 0, 1, 1, -1, -1, 2]])
    start, length = np.array([[0, 2, 4, 5]]) / 7, np.array([[3, 2, 3, 1]]) / 7
    assert token_truth(truth, start, length, 3).tolist() == [[0, 1, 1, 0]]  # 000 1, 0 11, 1 -- 2 (first of equals), --


def test_shares_of_codes_tokens_and_time_steps_by_hand() -> None:
    found = figures(*by_hand())
    # Windows show 0, 1, 2, 0 and are named 0, 2, 2, 2; of code 1 no primitive is commoner than 0, its first.
    assert found["tokens"] == pytest.approx(2 / 4)
    assert found["codes"] == pytest.approx(1 / 2)
    assert (found["codes_used"], found["codes_right"]) == (2, 1)
    assert found["steps"] == pytest.approx(3 / 7)  # 0 0 right, 2 right; 1 1 and 0 0 wrong; the gap does not count
    assert found["chance"] == pytest.approx(1 / 3)
    # Names 0 and 2 become any two different ones: token 0 is right in a third of them, and so on for the others.
    assert found["permuted"] == pytest.approx(4 / 3 / 4, abs=0.06)
    assert found["permuted_best"] == pytest.approx(2 / 4)


def test_clusters_are_named_from_classes_alone() -> None:
    """Classes own {0, 1}, {1, 2} and {0, 2}; clusters 0 to 2 belong to one sub-action each, cluster 3 to the first."""
    owned = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]], dtype=bool)
    counts = np.array([[60, 100, 0, 40], [0, 100, 100, 0], [60, 0, 100, 40]], dtype=float)
    found = name_clusters(counts, owned, 0)
    np.testing.assert_allclose(found, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]], atol=1e-3)


def test_a_class_that_was_never_trained_scores_by_its_sub_actions() -> None:
    owned = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]], dtype=bool)
    q = np.array([[[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]]])  # 0, then 2: what the last class does
    prior = np.array([0.2, 0.3, 0.5])
    expected = [
        np.mean([np.log(sum(q[0, n, k] / prior[k] for k in own) / 2) for n in range(2)])
        for own in ((0, 1), (1, 2), (0, 2))
    ]
    np.testing.assert_allclose(zero_shot.class_scores(np.log(q), prior, owned)[0], expected)


@pytest.mark.slow
def test_codes_of_a_short_training_are_named_far_above_chance() -> None:
    """Design anti: chance is a third, and the best of 100 permutations of the names says what luck can do."""
    found = perform(Task("anti", "ours", codes=16, seed=5, epochs=24))
    assert found["chance"] == pytest.approx(1 / 3)
    assert found["tokens"] > 0.45
    assert found["tokens"] > found["permuted_best"] + 0.1
    assert found["permuted"] < 0.25
    assert found["within_class_kl_ratio"] < 0.9


@pytest.mark.slow
def test_each_class_is_left_out_of_training_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []
    made = ShapeActionRun.__init__

    def watched(run: ShapeActionRun, c: Configuration, train: Batch, validation: Batch, text: ClassText) -> None:
        trained.append([set(part.y.tolist()) for part in (train, validation)])
        made(run, c, train, validation, text)

    monkeypatch.setattr(ShapeActionRun, "__init__", watched)
    values = prepare("four", 0, tmp_path).configuration
    rows = zero_shot.measure(values | {"epochs": 2, "alignment": values["alignment"] | {"key_steps": 30}}, 0)
    assert trained == [[{0, 1, 2, 3} - {left_out}] * 2 for left_out in range(4)]
    assert [row["class"] for row in rows] == list("ABCD")
    for row in rows:
        assert (row["chance"], row["shared"]) == (0.25, 1.0)
        assert 0 <= row["seen"] <= row["seen_among_seen"] <= 1
        assert 0 <= row["unseen"] <= 1


@pytest.mark.slow
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "meaning.json"
    asked = "--design anti --codes 4 --weights .5 --seeds 1 --epochs 1"
    assert main([*asked.split(), "--kinds", "true labels", "k-means and EM", "--json", str(out)]) == 0
    result = json.loads(out.read_text())
    assert [row["kind"] for row in result["rows"]] == ["true labels", "k-means and EM"]
    assert 0 <= result["runs"][0]["measured"]["tokens"] <= 1
    assert "named right, test part" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--design", "five"], "'five' is not one of"),
        (["--weights", "1.5"], "1.5 is not in the range"),
        (["--zero-shot", "--config", "nothing.yaml"], "nothing.yaml"),
        (["--config", "nothing.yaml"], "--config: is read with --zero-shot alone"),
        (["--zero-shot", "--tampered"], "--tampered: is not read with --zero-shot"),
        (["--zero-shot", "--weights", ".5"], "--weights: is not read with --zero-shot"),
        (["--tampered", "--kinds", "ours"], "--kinds: is not read with --tampered"),
        (["--tampered", "--weights", ".2", ".5"], "--weights: give one value with --tampered"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
