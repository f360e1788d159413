from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from model.checkpoint import load_model
from model.configuration.reading import parse_configuration
from model.configuration.sections import Merging
from model.pretrained.exported import find_exported, load_exported
from model.study import ShapeActionStudy
from model.sub_actions.encoder import TextEncoder

CLASSES = {
    "sit": ["hold wrist level", "rest arm on lap", "keep trunk upright"],
    "walk": ["swing arm forward", "foot strikes ground", "keep trunk upright"],
    "wave": ["raise hand", "shake wrist", "swing forearm sideways"],
}


@pytest.fixture(scope="module")
def npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    y = np.arange(24) % 3
    u = np.linspace(0, 1, 80)
    x = np.sin(6.28 * (y[:, None, None] * 2 + 1) * u + rng.uniform(0, 6, (24, 2, 1)))
    path = tmp_path_factory.mktemp("data") / "toy.npz"
    np.savez(path, X=x + 0.1 * rng.normal(size=x.shape), y=y, labels=np.array(sorted(CLASSES)))
    return path


@pytest.fixture(scope="module")
def resolved(npz: Path) -> dict:
    fixed = {
        "vocabulary": {"name": "toy", "classes": CLASSES},
        "data": {"npz": npz.name},
        "num_sub_actions": 7,
        "codebook_size": 4,
        "epochs": 3,
        "threads": 1,
        "architecture": {"length": 64, "patches": 16, "tokens": 8, "width": 16, "heads": 2},
        "alignment": {"key_steps": 4},
    }
    return ShapeActionStudy.resolve(fixed, npz.parent)


@pytest.fixture(scope="module")
def study(resolved: dict) -> ShapeActionStudy:
    return ShapeActionStudy(resolved)


def test_a_pickled_study_gives_the_same_trial(study: ShapeActionStudy, resolved: dict) -> None:
    copy = pickle.loads(pickle.dumps(study))
    first, second = study.trial(resolved, "cpu"), copy.trial(resolved, "cpu")
    assert [first.train_epoch(), first.evaluate()] == [second.train_epoch(), second.evaluate()]


def test_trials_of_one_study_do_not_disturb_each_other(study: ShapeActionStudy, resolved: dict) -> None:
    alone = study.trial(resolved, "cpu").train_epoch()
    study.trial(resolved | {"seed": 5, "num_sub_actions": 8, "method": "action_head"}, "cpu").train_epoch()
    assert study.trial(resolved, "cpu").train_epoch() == alone


def test_the_test_part_is_apart_from_what_a_trial_sees(study: ShapeActionStudy, resolved: dict) -> None:
    run, test = study.trial(resolved, "cpu"), study.test_split("cpu")
    assert test is not None
    seen = torch.cat([run.train.x, run.validation.x]).flatten(1)
    assert float(torch.cdist(test.x.flatten(1), seen).min()) > 1e-3


def test_a_drawn_split_follows_the_seed_of_a_training(resolved: dict, tmp_path: Path) -> None:
    resolved = resolved | {"data": resolved["data"] | {"split_seed": "drawn"}}
    study = ShapeActionStudy(resolved | {"seed": 7})
    seeds = [resolved | {"seed": seed} for seed in (0, 1, 0)]
    for values in seeds:
        study.check(values)
    runs = [study.trial(values, "cpu") for values in seeds]
    held = [{row.tobytes() for row in run.validation.x.numpy()} for run in runs]
    kept = [{row.tobytes() for row in run.train.x.numpy()} for run in runs]
    assert held[0] == held[2]
    assert held[0] != held[1]
    assert held[0] | kept[0] == held[1] | kept[1]
    assert not held[1] & kept[1]
    # Anywhere and at any time: workers are given a pickled study, and verify makes a new one.
    copy = pickle.loads(pickle.dumps(study)).trial(seeds[1], "cpu")
    assert torch.equal(copy.validation.x, runs[1].validation.x)
    other = ShapeActionStudy(resolved)
    assert other.provenance() == study.provenance()
    assert torch.equal(other.test_split("cpu").x, study.test_split("cpu").x)
    runs[1].export(tmp_path / "knee")
    again = load_exported(find_exported(tmp_path / "knee")).dataset
    np.testing.assert_array_equal(again.validation.x, runs[1].validation.x.numpy())


def test_a_split_seed_is_a_number_or_drawn(resolved: dict) -> None:
    for seed in (-1, "random", True, 1.5):
        with pytest.raises(ValueError, match=r"data\.split_seed: expected a whole number, 0 or more, or drawn"):
            parse_configuration(resolved | {"data": resolved["data"] | {"split_seed": seed}})


def test_windows_are_measured_in_the_samples_that_were_recorded(study: ShapeActionStudy, resolved: dict) -> None:
    """80 samples, trained on as 64, in 8 tokens: a window at its anchor has 20."""
    run = study.trial(resolved | {"windows": {"shift": 0.0, "stretch": 1.0}}, "cpu")
    assert run.evaluate()["window_samples"] == pytest.approx(20.0)
    assert run.evaluate()["window_start_spread"] == pytest.approx(0.0, abs=1e-5)
    # More tokens than half the samples: the guard of the shipped space bites.
    space = yaml.safe_load((Path(__file__).parents[2] / "spaces" / "tradeoff.yaml").read_text())
    many = resolved | {"architecture": resolved["architecture"] | {"tokens": 42}}
    assert study.trial(many, "cpu").evaluate()["window_samples"] < space["guards"]["window_samples"]["at_least"] < 20


def test_text_of_each_class_carries_its_sub_actions(study: ShapeActionStudy) -> None:
    text, merged = study.text.class_text(study.text.merged(8)), study.text.merged(8)
    np.testing.assert_array_equal(text.owned.numpy(), merged.owned)
    assert text.phrase_to_sub_action.shape == (3, 3, 8)
    # "keep trunk upright" is said of two classes and is one sub-action.
    assert int((text.owned.sum(0) > 1).sum()) == 1


def test_points_that_cannot_be_trained_are_refused(study: ShapeActionStudy, resolved: dict) -> None:
    study.check(resolved)
    with pytest.raises(ValueError, match="codebook_sice: unknown key"):
        study.check(resolved | {"codebook_sice": 3})
    with pytest.raises(ValueError, match="9 sub-actions cannot be made of 8 different phrases: possible are 3-8"):
        study.check(resolved | {"num_sub_actions": 9})
    with pytest.raises(ValueError, match="shared by all trials"):
        study.check(resolved | {"text_encoder": "other"})
    with pytest.raises(ValueError, match="own the same"):
        study.check(resolved | {"num_sub_actions": 2})


def test_preparing_says_what_can_be_told_apart_and_keeps_the_keys(
    study: ShapeActionStudy, resolved: dict, tmp_path: Path
) -> None:
    """At 8 nothing is merged: one phrase of sit and walk, two of each of these alone, three of wave."""
    corners = [resolved | {"num_sub_actions": k, "action_weight": w} for k in (5, 8) for w in (0.2, 0.8)]
    lines = study.prepare(corners, tmp_path)
    starts = ["K = 5: 5 sub-actions have different owners; answer key", "K = 8: 4 sub-actions have different owners"]
    assert [line[: len(start)] for line, start in zip(lines, starts, strict=True)] == starts
    assert len(list(tmp_path.iterdir())) == 2
    again = ShapeActionStudy(resolved)
    assert again.prepare(corners, tmp_path) == lines
    c = parse_configuration(corners[0])
    for first, second in ((study, again), (study, pickle.loads(pickle.dumps(study)))):
        states = (one.answer_key(c).state_dict() for one in (first, second))
        assert all(torch.equal(a, b) for a, b in zip(*(state.values() for state in states), strict=True))


def test_all_trials_with_the_same_sub_actions_are_marked_by_one_key(study: ShapeActionStudy, resolved: dict) -> None:
    """Nothing that a trial may choose, but what is asked itself, changes the key."""
    asked = resolved | {"num_sub_actions": 5}
    key = study.answer_key(parse_configuration(asked)).state_dict()
    changed = {
        "seed": 3,
        "action_weight": 0.9,
        "alignment": resolved["alignment"] | {"momentum": 0.5, "attention_temperature": 10.0, "width": 4, "key": "own"},
        "windows": resolved["windows"] | {"stretch": 3.0, "shift": 0.0},
        "training": resolved["training"] | {"learning_rate": 1.0},
    }
    marks = study.trial(asked | changed, "cpu").model.teacher.key.state_dict()
    assert all(torch.equal(key[name], marks[name]) for name in key)
    other = study.answer_key(parse_configuration(asked | {"num_sub_actions": 6})).state_dict()
    assert not torch.equal(key["body.0.weight"], other["body.0.weight"])


def test_merging_is_a_part_of_a_point(study: ShapeActionStudy, resolved: dict) -> None:
    merging = {"linkage": "complete", "keep_opposites_apart": True}
    assert resolved["merging"] == {"linkage": "average", "keep_opposites_apart": None}
    for part in ({"merging": merging}, {"merging": {"linkage": "single"}}, {"merging": {}}):
        study.check(resolved | part)
    with pytest.raises(ValueError, match=r"merging\.keep_opposites_apart: needs linkage average or complete"):
        study.check(resolved | {"merging": merging | {"linkage": "single"}})
    with pytest.raises(ValueError, match=r"merging\.linkage: .*'average', 'complete' or 'single'"):
        study.check(resolved | {"merging": {"linkage": "ward"}})
    with pytest.raises(ValueError, match=r"num_sub_actions: 1 sub-actions|num_sub_actions: input should be greater"):
        study.check(resolved | {"merging": merging, "num_sub_actions": 1})


@pytest.mark.slow
def test_each_merging_has_its_own_sub_actions_and_is_repeated_by_what_is_exported(npz: Path, tmp_path: Path) -> None:
    classes = {
        "sit": ["sit down", "push the lever", "pull the lever", "hold the wheel"],
        "walk": ["stand up", "step forward", "step back"],
        "wave": ["raise hand", "drop hand", "lie down"],
    }
    fixed = {"vocabulary": {"name": "toy", "classes": classes}, "data": {"npz": npz.name}, "num_sub_actions": 6}
    fixed |= {"codebook_size": 4, "epochs": 1, "threads": 1, "architecture": {"length": 64, "tokens": 8, "width": 16}}
    together = Merging(keep_opposites_apart=False)
    study = ShapeActionStudy(ShapeActionStudy.resolve(fixed | {"merging": together.model_dump()}, npz.parent))
    apart = ShapeActionStudy.resolve(fixed, npz.parent)
    assert study.text.merged(6, together).opposites()
    run = study.trial(apart, "cpu")  # the cached one of the other merging must not answer
    run.export(tmp_path)
    _, about = load_model(tmp_path / "model.safetensors", run.model)
    again = ShapeActionStudy(about["configuration"])
    merging = Merging(**about["configuration"]["merging"])
    assert merging == Merging()
    merged = again.text.merged(6, merging)
    assert merged.opposites() == []
    assert list(merged.names) == about["sub_actions"]
    np.testing.assert_array_equal(run.model.teacher.text.owned.numpy(), merged.owned)
    assert list(study.text.merged(6, together).names) != about["sub_actions"]
    with pytest.raises(ValueError, match=r"num_sub_actions: 2 sub-actions cannot keep opposites apart"):
        study.check(apart | {"num_sub_actions": 2})


@pytest.mark.slow
def test_layouts_and_channels_are_searched_and_the_length_is_shared(resolved: dict) -> None:
    def point(**architecture: object) -> dict:
        return resolved | {"architecture": resolved["architecture"] | {"length": "native", **architecture}}

    study = ShapeActionStudy(point())
    for architecture in ({"channels": "fused"}, {"patches": None, "patch_samples": 9}, {"tokens": 7}):
        values = point(**architecture)
        study.check(values)
        run = study.trial(values, "cpu")
        assert run.train.x.shape[1:] == (2, 80)
        assert all(value == value for value in (run.train_epoch() | run.evaluate()).values())
    with pytest.raises(ValueError, match=r"architecture\.patch_samples: 16 patches of 4 samples cover 64 samples"):
        study.check(point(patch_samples=4))
    with pytest.raises(ValueError, match=r"architecture\.tokens: 81 are more than the samples"):
        study.check(point(tokens=81))
    with pytest.raises(ValueError, match=r"architecture\.length .* are shared by all trials"):
        study.check(point(length=80))


def test_a_vocabulary_of_other_classes_is_refused(resolved: dict) -> None:
    words = {"name": "toy", "classes": {"sit": ["hold wrist level"], "jump": ["push off ground"]}}
    with pytest.raises(ValueError, match="jump"):
        ShapeActionStudy(resolved | {"vocabulary": words})


def test_provenance_names_data_and_text(study: ShapeActionStudy) -> None:
    record = study.provenance()
    assert record["recordings"] == {"train": 12, "validation": 6, "test": 6}
    assert len(record["data_fingerprint"]) == 64
    assert record["classes"] == ["sit", "walk", "wave"]
    text = record["vocabulary"]
    assert (text["name"], text["phrases"], text["different_phrases"]) == ("toy", 9, 8)
    assert text["valid_num_sub_actions"].endswith("-8")
    assert text["scores"]["sub_actions"] == 7
    assert yaml.safe_load(yaml.safe_dump(record)) == record


def test_a_vocabulary_is_scored_at_the_nearest_number_that_is_valid_or_not_at_all(resolved: dict) -> None:
    scores = ShapeActionStudy(resolved | {"num_sub_actions": 12}).provenance()["vocabulary"]["scores"]
    assert scores["sub_actions"] == 8
    same = {"name": "toy", "classes": {name: ["swing arm forward", "raise hand"] for name in CLASSES}}
    record = ShapeActionStudy(resolved | {"vocabulary": same}).provenance()["vocabulary"]
    assert (record["valid_num_sub_actions"], record["scores"]) == ("none", {})


def test_a_trial_writes_the_scores_of_its_own_number_of_sub_actions(
    study: ShapeActionStudy, resolved: dict, tmp_path: Path
) -> None:
    for count in (7, 8):
        study.trial(resolved | {"num_sub_actions": count}, "cpu").export(tmp_path)
        scores = json.loads((tmp_path / "vocabulary.json").read_text())
        assert scores == study.text.files(study.text.merged(count)).scores.as_dict()
        assert (scores["vocabulary"], scores["sub_actions"]) == ("toy", count)
        assert len((tmp_path / "sub_actions.csv").read_text().splitlines()) == 1 + count
    assert study.text.files(study.text.merged(8)) is study.text.files(study.text.merged(8))
    np.testing.assert_array_equal(study.text.titles, TextEncoder().encode(list(CLASSES)))
