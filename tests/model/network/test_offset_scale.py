from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from model.checkpoint import load_model
from model.configuration.reading import Configuration
from model.network.alignment import ClassText
from model.network.batch import Batch
from model.network.building import build_model
from model.network.offset_scale import SMALLEST_SCALE, OffsetScaleEmbedding
from model.training.run import ShapeActionRun

WIDTH = 6


def levels(recordings: int, seed: int = 0) -> torch.Tensor:
    """Offset and scale of three channels with units of their own."""
    generator = torch.Generator().manual_seed(seed)
    offset = torch.randn(recordings, 3, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 10.0, 0.1])
    scale = torch.rand(recordings, 3, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 100.0, 1e-3])
    return torch.stack([offset, scale + 1e-4], dim=-1)


def embedding_of(training: torch.Tensor, used: Literal["scale", "both"] = "both") -> OffsetScaleEmbedding:
    embedding = OffsetScaleEmbedding(training.shape[1], WIDTH, used).double()
    embedding.fit(training)
    return embedding


def test_the_numbers_are_standard_scores_of_the_training_split() -> None:
    training, seen = levels(20), levels(4, seed=1)
    embedding = embedding_of(training)
    numbers = np.stack([training[..., 0].numpy(), np.log(training[..., 1].numpy())], -1)
    new = np.stack([seen[..., 0].numpy(), np.log(seen[..., 1].numpy())], -1)
    score = torch.from_numpy((new - numbers.mean(0)) / numbers.std(0))
    expected = (score @ embedding.project.weight.T + embedding.project.bias).flatten(0, 1)
    torch.testing.assert_close(embedding(seen), expected)
    assert embedding(seen).shape == (4 * 3, WIDTH)


def test_the_unit_of_a_sensor_does_not_matter() -> None:
    training, seen, unit = levels(20), levels(4, seed=1), torch.tensor([1000.0, 0.01, 9.81], dtype=torch.float64)
    first, second = embedding_of(training), embedding_of(training * unit[:, None])
    second.project.load_state_dict(first.project.state_dict())
    torch.testing.assert_close(first(seen), second(seen * unit[:, None]))


def test_scale_alone_does_not_read_the_offset() -> None:
    embedding, seen = embedding_of(levels(20), "scale"), levels(4)
    moved = seen + torch.tensor([7.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(embedding(moved), embedding(seen))
    assert embedding.project.in_features == 1


def test_channels_that_never_move_or_never_change_are_finite() -> None:
    training = levels(20)
    training[:, 0, 1] = 0.0
    training[:, 1] = torch.tensor([3.0, 2.0])
    training[5, 2, 1] = 0.0
    embedding = embedding_of(training)
    assert torch.isfinite(embedding(training)).all()
    assert float(embedding.floor[0]) == SMALLEST_SCALE
    assert embedding.spread[1].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("channels", ["separate", "fused"])
def test_tokens_know_the_scale_and_need_it(small: dict, class_text: ClassText, channels: str) -> None:
    architecture = small["architecture"] | {"channels": channels, "levels": "scale"}
    model = build_model(Configuration(**small | {"architecture": architecture}), class_text, 3, 64).eval()
    assert model.to_tokens.levels is not None
    model.to_tokens.levels.fit(levels(20).float())
    x, level = torch.randn(4 * 3, 64), levels(4).float()
    louder = level * torch.tensor([1.0, 2.0])
    assert not torch.allclose(model(x, level=level).tokens, model(x, level=louder).tokens)
    with pytest.raises(ValueError, match="needs the offset and the scale of each series"):
        model(x)


def test_none_reads_no_level(small: dict, class_text: ClassText) -> None:
    configuration = Configuration(**small | {"architecture": small["architecture"] | {"levels": "none"}})
    model = build_model(configuration, class_text, 3, 64).eval()
    x = torch.randn(3, 64)
    assert torch.equal(model(x).tokens, model(x, level=levels(1).float()).tokens)


def test_recordings_without_a_level_are_refused_where_it_is_asked_for(small: dict, class_text: ClassText) -> None:
    configuration = Configuration(**small | {"architecture": small["architecture"] | {"levels": "both"}})
    batch = Batch(torch.randn(4, 2, 64), torch.arange(4) % 3)
    with pytest.raises(ValueError, match=r"architecture\.levels: both is asked for, but .* take none"):
        ShapeActionRun(configuration, batch, batch, class_text)


def test_the_statistics_travel_with_the_model(small: dict, class_text: ClassText, tmp_path: Path) -> None:
    configuration = Configuration(**small | {"architecture": small["architecture"] | {"levels": "both"}})
    batch = Batch(torch.randn(4, 3, 64), torch.arange(4) % 3, levels(4).float())
    run = ShapeActionRun(configuration, batch, batch, class_text)
    run.export(tmp_path)
    fresh = build_model(configuration, class_text, 3, 64).eval()
    load_model(tmp_path / "model.safetensors", fresh)
    x = batch.x.flatten(0, 1)
    assert torch.equal(fresh(x, level=batch.level).tokens, run.model.eval()(x, level=batch.level).tokens)


@pytest.mark.slow
def test_a_run_learns_classes_that_differ_in_scale_alone(small: dict, class_text: ClassText) -> None:
    def recordings(n: int, seed: int) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        y = torch.arange(n) % 3
        x = torch.randn(n, 1, 64, generator=generator).cumsum(-1)
        scale = 10.0 ** (y[:, None] + 0.2 * torch.randn(n, 1, generator=generator))
        level = torch.stack([torch.zeros(n, 1), scale], dim=-1)
        return Batch((x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True), y, level)

    train, held_out, accuracy = recordings(30, 0), recordings(30, 1), {}
    for kind in ("none", "scale"):
        values = small | {"epochs": 20, "architecture": small["architecture"] | {"levels": kind}}
        run = ShapeActionRun(Configuration(**values), train, held_out, class_text)
        for _ in range(20):
            run.train_epoch()
        accuracy[kind] = run.evaluate()["text_accuracy"]
    assert accuracy["none"] < 0.7 < 0.9 < accuracy["scale"]
