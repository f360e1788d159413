from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from model.checkpoint import CheckpointError
from model.configuration.reading import ConfigurationError
from model.dataset.loading import DataError
from model.evaluation.evaluate import evaluate
from model.network.batch import as_batch
from model.network.building import longest_window
from model.pretrained.exported import find_exported, load_exported

pytestmark = pytest.mark.slow  # models that have to be trained

NAMES = ("decoder", "head", "averaged", "many")


@pytest.fixture
def folder(small_exports: dict, tmp_path: Path) -> Path:
    """A copy of one exported configuration, to be damaged."""
    return Path(shutil.copytree(small_exports["decoder"][0], tmp_path / "best" / "knee"))


@pytest.mark.parametrize("name", NAMES)
def test_a_model_read_again_measures_what_its_run_measured(small_exports: dict, name: str) -> None:
    path, measured = small_exports[name]
    configuration, _, dataset, model = load_exported(find_exported(path))
    assert not model.training
    train, validation = as_batch(dataset.train, "cpu"), as_batch(dataset.validation, "cpu")
    again = evaluate(model, train, validation, longest_window(configuration), 0.1, dataset.native_length)
    assert again == pytest.approx(measured, rel=1e-6, nan_ok=True)


def test_both_layouts_and_every_way_to_name_them_are_the_same_files(folder: Path, tmp_path: Path) -> None:
    for given in (folder, folder / "configuration.yaml", folder / "model.safetensors", folder.with_suffix(".yaml")):
        files = find_exported(given)
        assert files == ("knee", folder / "configuration.yaml", folder / "model.safetensors", folder.parent)
    flat = tmp_path / "flat"
    flat.mkdir()
    for source, name in (("configuration.yaml", "knee.yaml"), ("model.safetensors", "knee.safetensors")):
        shutil.copy(folder / source, flat / name)
    for given in ("knee", "knee.yaml", "knee.safetensors"):
        files = find_exported(flat / given)
        assert files == ("knee", flat / "knee.yaml", flat / "knee.safetensors", flat)
    (flat / "knee.yaml").unlink()
    assert find_exported(flat / "knee").configuration is None


def test_a_checkpoint_alone_holds_its_configuration(folder: Path) -> None:
    with_file = load_exported(find_exported(folder))
    (folder / "configuration.yaml").unlink()
    alone = load_exported(find_exported(folder))
    assert alone.configuration == with_file.configuration
    x = torch.from_numpy(alone.dataset.validation.x).flatten(0, 1)
    level = as_batch(alone.dataset.validation, "cpu").level
    assert torch.equal(alone.model(x, level=level).series, with_file.model(x, level=level).series)


def test_what_is_no_exported_configuration_is_named(folder: Path) -> None:
    best = folder.parent
    with pytest.raises(CheckpointError, match=r"nee: is no exported configuration; did you mean .*knee\?"):
        find_exported(best / "nee")
    with pytest.raises(CheckpointError, match=r"expected one such as best/knee of a run; .* has knee"):
        find_exported(best)
    with pytest.raises(CheckpointError, match=r"looks like a run: name one of its configurations, such as .*best/knee"):
        find_exported(best.parent)
    with pytest.raises(CheckpointError, match="has none"):
        find_exported(best / "nothing" / "here")
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors is missing; train it again with python -m model"):
        find_exported(folder)


def test_damage_is_named(folder: Path) -> None:
    checkpoint, configuration = folder / "model.safetensors", folder / "configuration.yaml"
    whole = checkpoint.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"weights"):
        checkpoint.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"model\.safetensors: cannot be read as a checkpoint"):
            load_exported(find_exported(folder))
    checkpoint.write_bytes(whole)
    configuration.write_text("epochs: [1")
    with pytest.raises(ConfigurationError, match=r"configuration\.yaml: line 1: not a YAML file"):
        load_exported(find_exported(folder))


def test_files_that_do_not_belong_together_are_refused(folder: Path, small_exports: dict) -> None:
    values = yaml.safe_load((folder / "configuration.yaml").read_text())
    for change in ({"quantizer": "straight_through"}, {"method": "action_head"}, {"codebook_size": 41}):
        (folder / "configuration.yaml").write_text(yaml.safe_dump(values | change))
        with pytest.raises(CheckpointError, match=f"was trained with another {next(iter(change))} than"):
            load_exported(find_exported(folder))
    other = values["data"] | {"source": {"npz": str(small_exports["many"][0].parent / "toy14.npz")}}
    (folder / "configuration.yaml").write_text(yaml.safe_dump(values | {"data": other}))
    with pytest.raises(CheckpointError, match=r"was trained on the channels sensor 0 .*, but toy14 has"):
        load_exported(find_exported(folder))


def test_data_that_are_not_there_are_named_and_may_lie_elsewhere(folder: Path, tmp_path: Path) -> None:
    values = yaml.safe_load((folder / "configuration.yaml").read_text())
    data = Path(values["data"]["source"]["npz"])
    moved = values["data"] | {"source": {"npz": str(tmp_path / "moved.npz")}}
    (folder / "configuration.yaml").write_text(yaml.safe_dump(values | {"data": moved}))
    with pytest.raises(ConfigurationError, match=r"configuration\.yaml: data: npz: no such file: .*moved\.npz"):
        load_exported(find_exported(folder))
    shutil.copy(data, tmp_path / "moved.npz")
    np.testing.assert_array_equal(load_exported(find_exported(folder)).dataset.rate_hz, 20.0)
    (tmp_path / "moved.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"configuration\.yaml: data: .*moved\.npz"):
        load_exported(find_exported(folder))
