"""The classifier benchmark: what is fitted on what, what it writes, and that bad input is one line."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from small_exports import CLASSES, write_data

from benchmarks.quality import classifiers
from model.evaluation.evaluate import collect

ROOT = Path(__file__).parents[2]


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """Sines whose frequency says the class; 24 recordings: 12 in train, 6 in validation, 6 in test."""
    write_data(tmp_path / "toy.npz", 2)
    values = {
        "data": {"npz": "toy.npz"},
        "vocabulary": {"name": "toy", "classes": CLASSES},
        "num_sub_actions": 5,
        "codebook_size": 4,
        "epochs": 2,
        "architecture": {"length": 64, "patches": 16, "tokens": 8, "width": 16, "heads": 2},
    }
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(values))
    return tmp_path / "toy.yaml"


@pytest.mark.slow
def test_json_holds_every_seed_of_every_classifier(
    configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def rocket(data: Any, with_validation: bool, seeds: int, threads: int) -> list[dict[str, Any]]:
        return [
            {"accuracy": 0.5 + 0.1 * seed, "macro_f1": float(with_validation), "seconds": 1} for seed in range(seeds)
        ]

    monkeypatch.setattr(classifiers, "measure_minirocket", rocket)
    file = tmp_path / "figures.json"
    assert classifiers.main([str(configuration), "--seeds", "2", "--threads", "1", "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "0.550 ± 0.071" in printed
    assert "train + validation" in printed
    (measured,) = json.loads(file.read_text())["configurations"]
    assert measured["recordings"] == {"train": 12, "validation": 6, "test": 6}
    assert [(row["classifier"], row["fitted_on"]) for row in measured["rows"]] == [
        ("linear on tokens", "train"),
        ("linear on code histograms", "train"),
        ("linear on mean tokens and code histograms", "train"),
        ("linear on k-means histograms", "train"),
        ("linear on level alone", "train"),
        ("MiniRocket", "train"),
        ("MiniRocket", "train + validation"),
    ]
    assert [row["macro_f1"] for row in measured["rows"][5:]] == [[0.0, 0.0], [1.0, 1.0]]
    for row in measured["rows"]:
        assert len(row["accuracy"]) == (1 if "level" in row["classifier"] else 2)  # no seed decides that
        assert all(0 <= value <= 1 for value in row["accuracy"])
    assert measured["metrics"]["stitch_fvu"][0] != measured["metrics"]["stitch_fvu"][1]


@pytest.mark.slow
def test_ours_is_what_a_run_measures_on_the_test_part(configuration: Path) -> None:
    study, values = classifiers.open_study(configuration)
    (measured,) = classifiers.measure_ours(study, values | {"threads": 1}, 1, "cpu")
    run = study.trial(values | {"threads": 1, "seed": 0}, "cpu")
    for _ in range(2):
        run.train_epoch()
    expected = run.evaluate(study.test_split("cpu"))
    assert {name: measured[name] for name in expected} == expected


@pytest.mark.slow
def test_pooled_features_are_means_beside_counts(configuration: Path) -> None:
    study, values = classifiers.open_study(configuration)
    run = study.trial(values | {"threads": 1}, "cpu")
    run.train_epoch()
    found, seen = classifiers.pooled(run, run.validation), collect(run.model, run.validation)
    codes = run.model.quantizer.codes.detach()
    index = seen.indices.view(6, 2, 8)  # recordings, channels, tokens
    parts = [codes[index], *(getattr(seen, n).view(6, 2, 8, 1) for n in ("start", "length", "offset", "scale"))]
    means = torch.cat(parts, dim=-1).mean(2).flatten(1)
    counts = torch.nn.functional.one_hot(index, 4).sum(2).flatten(1)
    np.testing.assert_allclose(found, torch.cat([means, counts], dim=1), atol=1e-5)


def dataset(x: np.ndarray, scale: np.ndarray, y: np.ndarray) -> Any:
    """Two parts alike, the second of which is measured."""
    part = SimpleNamespace(x=x.astype(np.float32), scale=scale, y=y)
    return SimpleNamespace(train=part, test=part, class_names=("a", "b"))


def test_level_alone_is_the_deviation_of_each_channel() -> None:
    y, same = np.arange(12) % 2, np.zeros((12, 1, 64))
    (told,) = classifiers.measure_level(dataset(same, 1.0 + y[:, None], y))
    (silent,) = classifiers.measure_level(dataset(same, np.ones((12, 1)), y))
    assert told["accuracy"] == 1.0
    assert silent["accuracy"] == 0.5


def test_the_bag_of_shapes_knows_tempo_and_not_scale() -> None:
    y, u = np.arange(12) % 2, np.linspace(0, 1, 64)
    values = {"architecture": {"tokens": 8, "shape_samples": 16}, "codebook_size": 4}
    phase = np.random.default_rng(0).uniform(0, 6.28, (12, 1, 1))
    of_tempo = dataset(np.sin(6.28 * (1 + 7 * y[:, None, None]) * u + phase), np.ones((12, 1)), y)
    of_scale = dataset(np.tile(np.sin(6.28 * 4 * u), (12, 1, 1)) * (1 + y[:, None, None]), np.ones((12, 1)), y)
    assert [m["accuracy"] for m in classifiers.measure_kmeans(of_tempo, values, 2)] == [1.0, 1.0]
    assert [m["accuracy"] for m in classifiers.measure_kmeans(of_scale, values, 1)] == [0.5]


@pytest.mark.slow
def test_minirocket_is_given_the_same_recordings(configuration: Path, monkeypatch: Any) -> None:
    from aeon.classification.convolution_based import MiniRocketClassifier

    study, _ = classifiers.open_study(configuration)
    given: list[np.ndarray] = []
    fit = MiniRocketClassifier.fit

    def watched(self: Any, x: np.ndarray, y: np.ndarray) -> Any:
        given.append(x)
        return fit(self, x, y)

    monkeypatch.setattr(MiniRocketClassifier, "fit", watched)
    for with_validation in (False, True):
        measured = classifiers.measure_minirocket(study.dataset, with_validation, 2, 1)
        assert [m["accuracy"] for m in measured] == [1.0, 1.0]
    assert [len(x) for x in given] == [4, 12, 12, 4, 18, 18]
    np.testing.assert_array_equal(given[1], study.dataset.train.x)
    np.testing.assert_array_equal(given[4][12:], study.dataset.validation.x)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere.yaml"], "nowhere.yaml: cannot be read"),
        ([], "Missing argument 'CONFIG.yaml...'"),
        (["README.md", "--seeds", "0"], "x>=1"),
        (["README.md", "--json", "nowhere/figures.json"], "there is no folder nowhere"),
        (["spaces/sub_actions/basic_motions.yaml"], "vocabulary: is missing"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert classifiers.main(arguments) == 2
    written = capsys.readouterr()
    assert complaint in written.err
    assert written.err.count("\n") == 1
    assert not written.out


def test_a_vocabulary_of_other_classes_is_named_with_its_file(
    configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = yaml.safe_load(configuration.read_text())
    values["vocabulary"]["classes"] = {"sit": ["rest"], "jump": ["push off"]}
    configuration.write_text(yaml.safe_dump(values))
    assert classifiers.main([str(configuration)]) == 2
    assert f"{configuration}: vocabulary: " in capsys.readouterr().err
