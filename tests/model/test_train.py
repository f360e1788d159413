from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from safetensors import safe_open

from model.train import main

SHIPPED = Path(__file__).parents[2] / "spaces" / "sub_actions" / "basic_motions.yaml"
SMALL = {
    "vocabulary": str(SHIPPED),
    "epochs": 2,
    "threads": 1,
    "architecture": {
        "width": 16,
        "heads": 2,
        "tokens": 16,
        "encoder_layers": 1,
        "tokenizer_layers": 1,
        "decoder_layers": 1,
    },
}


def write(folder: Path, **values: object) -> str:
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump(SMALL | values))
    return str(path)


@pytest.mark.slow
def test_it_trains_on_real_data_and_prints_every_metric(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([write(tmp_path), "--device", "cpu", "--test", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    for name in ("stitch_fvu", "action_kl_ratio", "shape_skill", "set_mass", "validation", "test", "2 epochs in"):
        assert name in printed
    with safe_open(tmp_path / "out" / "model.safetensors", framework="np") as file:
        assert file.get_slice("code_meanings").get_shape() == [16, 12]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("values", "arguments", "message"),
    [
        ({"epocs": 3}, [], "epocs: unknown key"),
        ({"num_sub_actions": 200}, [], "200 sub-actions"),
        ({}, ["--device", "warp"], "--device: 'warp'"),
        ({}, ["--device", "cuda:99"], "cuda:99 is not there"),
        ({}, ["--epochs", "0"], "epochs: input should be greater"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], values: dict, arguments: list[str], message: str
) -> None:
    assert main([write(tmp_path, **values), *arguments]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


@pytest.mark.slow
def test_where_a_model_cannot_be_written_nothing_is_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, there = write(tmp_path), tmp_path / "made" / "model.safetensors"
    there.parent.mkdir()
    there.write_bytes(b"mine")
    for out, message in (
        (tmp_path / "model.yaml", "model.yaml is no folder"),
        (tmp_path / "model.yaml" / "inside", "model.yaml is no folder"),
        (there.parent, "has a model.safetensors already; --force replaces it"),
    ):
        assert main([config, "--out", str(out)]) == 2
        assert message in capsys.readouterr().err
    assert there.read_bytes() == b"mine"
    assert main([config, "--epochs", "1", "--out", str(there.parent), "--force"]) == 0
    assert there.read_bytes() != b"mine"


@pytest.mark.slow
def test_training_that_diverges_says_so_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write(tmp_path, epochs=12, training={"learning_rate": 1e30, "warmup_fraction": 0.0})
    assert main([config, "--device", "cpu", "--out", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr().err
    assert "diverged: the loss is nan in epoch" in printed
    assert "training.learning_rate" in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "out").exists()
