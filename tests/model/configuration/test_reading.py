from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from model.configuration.reading import (
    Configuration,
    ConfigurationError,
    parse_configuration,
    read_configuration,
    resolve_configuration,
)

VOCABULARY = {"name": "toy", "classes": {"a": ["raise arm", "hold wrist"], "b": ["swing arm", "shake wrist"]}}


def write(folder: Path, **values: object) -> Path:
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump({"vocabulary": VOCABULARY, **values}))
    return path


def test_defaults_are_filled_in_and_the_vocabulary_inlined(tmp_path: Path) -> None:
    (tmp_path / "words.yaml").write_text(yaml.safe_dump(VOCABULARY))
    resolved = resolve_configuration({"vocabulary": "words.yaml"}, tmp_path)
    assert resolved["vocabulary"]["classes"]["a"] == ["raise arm", "hold wrist"]
    assert resolved["data"]["source"] == {"name": "BasicMotions"}
    assert resolved["architecture"]["length"] == 512
    assert resolve_configuration(resolved, Path("/nowhere")) == resolved


def test_a_resolved_configuration_is_plain_yaml(tmp_path: Path) -> None:
    resolved = resolve_configuration({"vocabulary": VOCABULARY}, tmp_path)
    path = tmp_path / "again.yaml"
    path.write_text(yaml.safe_dump(resolved))
    assert read_configuration(path) == Configuration.model_validate(resolved)


def test_relative_data_paths_become_absolute(tmp_path: Path) -> None:
    (tmp_path / "mine.npz").touch()
    resolved = resolve_configuration({"vocabulary": VOCABULARY, "data": {"npz": "mine.npz"}}, tmp_path)
    assert resolved["data"]["source"]["npz"] == str(tmp_path / "mine.npz")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epocs": 3}, "epocs: unknown key; did you mean 'epochs'"),
        ({"training": {"learning_rat": 1}}, "training.learning_rat: unknown key; did you mean 'learning_rate'"),
        ({"data": {"nmae": "BasicMotions"}}, "data.source.nmae: unknown key; did you mean 'name'"),
        ({"training": {"learning_rate": True}}, "training.learning_rate: expected a number"),
        ({"losses": {"action": "3"}}, "losses.action: expected a number"),
        ({"num_sub_actions": "12"}, "num_sub_actions: expected a number"),
        ({"rotation_trick": "no"}, "rotation_trick: expected true or false"),
        ({"rotation_trick": 1}, "rotation_trick: expected true or false"),
        ({"seed": 2**70}, "seed: input should be less than or equal to"),
        ({"codebook_size": 10**12}, "codebook_size: input should be less than or equal to 1048576"),
        ({"threads": 10**9}, "threads: input should be less than or equal to 4096"),
        ({"method": "head"}, "method: .*'action_head' or 'action_decoder'"),
        ({"action_weight": 1.0}, "action_weight: input should be less than 1"),
        ({"stages": [{"action_weight": 0.5}]}, r"stages\.0\.epochs: field required"),
        (
            {"stages": [{"action_weight": 0.5, "epochs": 4, "lr": 1}]},
            r"stages\.0\.lr: unknown key; known keys: action_weight, epochs",
        ),
        ({"stages": [{"action_weight": 1.5, "epochs": 4}]}, r"action_weight: input should be less than 1"),
        (
            {"stages": [{"action_weight": 0.5, "epochs": 4}, {"action_weight": 0.3, "epochs": 2}], "epochs": 5},
            "epochs: is 5, but the stages end with 6; leave it out",
        ),
        ({"losses": {"shape": "much"}}, "losses.shape: .*'much'"),
        ({"merging": {"linkeage": "single"}}, "merging.linkeage: unknown key; did you mean 'linkage'"),
        ({"merging": {"linkage": "ward"}}, "merging.linkage: .*'average', 'complete' or 'single'"),
        (
            {"merging": {"linkage": "single", "keep_opposites_apart": True}},
            "merging.keep_opposites_apart: needs linkage average or complete, not single",
        ),
        ({"architecture": {"tokens": 513}}, "architecture.tokens: 513 are more than the samples .* length 512"),
        (
            {"architecture": {"patches": 50, "patch_samples": 8}},
            "architecture.patch_samples: 50 patches .* leave samples out",
        ),
        ({"architecture": {"patches": 1025}}, "architecture.patches: 1025 patches of 1 .* mostly padding"),
        ({"architecture": {"patch_samples": 0}}, "architecture.patch_samples: input should be greater than or equal"),
        (
            {"architecture": {"length": "own"}},
            "architecture.length: expected a number of samples.*or native .got 'own'",
        ),
        ({"architecture": {"length": {"a": 1}}}, "architecture.length: expected a number of samples"),
        ({"text_encoder": {"a": 1}}, "text_encoder: .*string"),
        ({"architecture": {"length": 0}}, "architecture.length: expected a number of samples, 1 or more"),
        ({"architecture": {"channels": "joint"}}, "architecture.channels: .*'separate' or 'fused'"),
        ({"architecture": {"heads": 5}}, "architecture.width: 64 is not a multiple of heads 5"),
        (
            {"architecture": {"shape_samples": 1}},
            "architecture.shape_samples: input should be greater than or equal to 2",
        ),
        ({"architecture": {"levels": "loud"}}, "architecture.levels: .*'none', 'scale' or 'both'"),
        ({"alignment": {"width": 10}}, "alignment.width: 10 is not a multiple of heads 4"),
        ({"data": {"npz": "none.npz"}}, "data: npz: .*none.npz"),
        ({"vocabulary": "none.yaml"}, "vocabulary: there is no file .*none.yaml"),
    ],
)
def test_mistakes_are_named_by_file_and_dotted_key(tmp_path: Path, values: dict, message: str) -> None:
    path = write(tmp_path, **values)
    with pytest.raises(ConfigurationError, match=message) as caught:
        read_configuration(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_stages_say_the_weight_at_the_end_and_all_epochs(tmp_path: Path) -> None:
    configuration = read_configuration(
        write(tmp_path, stages=[{"action_weight": 0.5, "epochs": 4}, {"action_weight": 0.3, "epochs": 2}])
    )
    assert (configuration.action_weight, configuration.epochs) == (0.3, 6)
    assert [(stage.action_weight, stage.epochs) for stage in configuration.all_stages] == [(0.5, 4), (0.3, 2)]
    assert parse_configuration(configuration.model_dump(mode="json")) == configuration
    plain = read_configuration(write(tmp_path))
    assert "stages" not in plain.model_dump(mode="json")
    assert [(stage.action_weight, stage.epochs) for stage in plain.all_stages] == [(0.5, plain.epochs)]


@pytest.mark.parametrize(
    ("text", "message"),
    [("[1, 2]", "expected a mapping"), ("a: [", "line 1: not a YAML file"), ("epochs: 3", "vocabulary: is missing")],
)
def test_files_that_are_no_configuration_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        read_configuration(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_configuration(tmp_path / "none.yaml")


def test_reading_a_configuration_loads_no_torch() -> None:
    code = "import sys, model.configuration, model.study; sys.exit('torch' in sys.modules or 'ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_key_that_is_written_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text(f"epochs: 3\nseed: 1\n{path.read_text()}epochs: 30\n")
    with pytest.raises(ConfigurationError, match=r"model\.yaml: line 1: .*the key epochs is written twice"):
        read_configuration(path)


def test_numbers_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text(f"{path.read_text()}training: {{learning_rate: 1e-3}}\nseed: 010\n")
    configuration = read_configuration(path)
    assert (configuration.training.learning_rate, configuration.seed) == (1e-3, 10)
