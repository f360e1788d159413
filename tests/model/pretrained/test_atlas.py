from __future__ import annotations

import numpy as np
import pytest
import torch

from model.network.batch import as_batch
from model.pretrained.atlas import CodeAtlas, make_atlas
from model.pretrained.exported import find_exported, load_exported

pytestmark = pytest.mark.slow  # models that have to be trained

NAMES = ("decoder", "head", "averaged", "many")
# Of the seven sub-actions, two pairs belong to one class alone: 1, 4 to sit and 3, 5 to wave.
SETS = ([0], [1, 4], [2], [3, 5], [6])


@pytest.fixture(scope="module")
def atlases(small_exports: dict) -> dict[str, CodeAtlas]:
    return {name: make_atlas(find_exported(path), 2) for name, (path, _) in small_exports.items()}


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_what_the_model_says_of_the_signal(
    small_exports: dict, atlases: dict[str, CodeAtlas], name: str
) -> None:
    _, _, dataset, model = load_exported(find_exported(small_exports[name][0]))
    split = as_batch(dataset.validation, "cpu")
    fused = model.channels_per_token > 1
    for example in atlases[name].examples:
        x, y, level, _ = split.take(slice(example.number, example.number + 1))
        with torch.no_grad():
            out = model(x[0], level=level)
        rows = 1 if fused else x.shape[1]
        assert example.y == int(y)
        assert example.codes.shape == (rows, 8)
        np.testing.assert_array_equal(example.codes, out.quantized.indices)
        for s, together in enumerate(SETS):
            q = out.log_q.exp().numpy()[..., together].sum(-1)
            np.testing.assert_allclose(example.q[..., s], q, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(example.q.sum(-1), 1, rtol=1e-5)
        np.testing.assert_allclose(example.start, out.attributes.start[:rows], atol=1e-5)
        np.testing.assert_allclose(example.length, out.attributes.length[:rows], atol=1e-5)
        np.testing.assert_array_equal(example.x, x[0])


@pytest.mark.parametrize("name", NAMES)
def test_the_stitched_series_is_the_mean_of_the_shapes_that_cover_a_sample(
    atlases: dict[str, CodeAtlas], small_exports: dict, name: str
) -> None:
    _, _, dataset, model = load_exported(find_exported(small_exports[name][0]))
    example, split = atlases[name].examples[-1], as_batch(dataset.validation, "cpu")
    x, _, level, _ = split.take(slice(example.number, example.number + 1))
    with torch.no_grad():
        decoded = model(x[0], level=level).decoded.numpy()
    channels, samples = example.x.shape
    shapes = decoded.reshape(channels, 8, -1)
    expected = np.full((channels, samples), np.nan)
    for c in range(channels):
        row = 0 if len(example.start) == 1 else c
        for s in range(samples):
            inside = (s / (samples - 1) - example.start[row]) / example.length[row]
            values = [
                np.interp(at, np.linspace(0, 1, shapes.shape[-1]), shapes[c, n])
                for n, at in enumerate(inside)
                if -1e-9 <= at <= 1 + 1e-6
            ]
            expected[c, s] = np.mean(values) if values else np.nan
    differ = ~np.isclose(example.stitched, expected, atol=1e-3, equal_nan=True)
    assert differ.mean() < 0.01  # a sample that lies on the very edge of a window may fall to either side
    error = np.square(example.x - np.nan_to_num(example.stitched)).sum(1)
    spread = np.square(example.x - example.x.mean(1, keepdims=True)).sum(1)
    assert example.stitch_fvu == pytest.approx((error / spread).mean(), rel=1e-4)


def test_examples_stand_at_even_ranks_of_their_class(small_exports: dict) -> None:
    files = find_exported(small_exports["decoder"][0])
    every, two, one, none = (make_atlas(files, count).examples for count in (99, 2, 1, 0))
    assert len(every) == 6  # the whole validation split, two of each class
    assert sorted(example.number for example in every) == list(range(6))
    assert [example.number for example in two] == [example.number for example in every]
    assert [example.y for example in every] == [0, 0, 1, 1, 2, 2]
    for y in range(3):
        first, second = (example.stitch_fvu for example in every if example.y == y)
        assert first <= second
    assert [example.number for example in one] == [every[1].number, every[3].number, every[5].number]
    assert none == ()


@pytest.mark.parametrize("name", NAMES)
def test_names_time_and_shapes_come_along(atlases: dict[str, CodeAtlas], name: str) -> None:
    atlas = atlases[name]
    fused = atlas.configuration.architecture.channels == "fused"
    assert atlas.meaning.shapes.shape[1] == (len(atlas.channels) if fused else 1)
    assert (atlas.rate_hz, atlas.native_samples, atlas.validation) == (20.0, 80, 6)
    assert atlas.owned.shape == (3, 5)
    assert atlas.meaning.distribution.shape[1] == len(atlas.meaning.sub_actions) == 5
    np.testing.assert_allclose(atlas.meaning.distribution.sum(1), 1, rtol=1e-5)
    assert atlas.owned.any(1).all()
    assert atlas.channels[0] == "sensor 0 <m/s²>"
