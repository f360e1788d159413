"""Tokens of raw recordings: those of training's own path, for every quantizer and layout, in samples of the input."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch

from model.configuration.reading import Configuration
from model.dataset.preprocessing import resample
from model.evaluation.evaluate import collect
from model.network.alignment import ClassText
from model.network.batch import Batch
from model.network.building import build_model
from model.network.shapes import extract_pieces
from model.pretrained.shape_action import ShapeAction

CHANNELS = ("acc x", "acc y")
SAMPLES = 64
QUANTIZERS = [("synchronised", False), ("synchronised", True), ("straight_through", False), ("ema", False)]
QUANTIZERS += [("sim_vq", True), ("fsq", False)]


@pytest.fixture
def made(small: dict, class_text: ClassText) -> Callable[..., ShapeAction]:
    """Makes a model with drawn weights that knows what it is."""

    def make(samples: int = SAMPLES, architecture: dict | None = None, **values: object) -> ShapeAction:
        values = small | values | {"architecture": small["architecture"] | (architecture or {})}
        c = Configuration(**values)
        network = build_model(c, class_text, len(CHANNELS), samples)
        if network.to_tokens.levels is not None:
            network.to_tokens.levels.fit(torch.rand(6, len(CHANNELS), 2) + 0.5)
        metadata = {
            "configuration": json.loads(c.model_dump_json()),
            "channels": list(CHANNELS),
            "sub_actions": [f"phrase {k}" for k in range(5)],
            "samples": samples,
        }
        return ShapeAction(network, metadata)

    return make


def recordings(count: int, samples: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    walk = rng.normal(size=(count, len(CHANNELS), samples)).cumsum(-1)
    return walk * rng.uniform(0.5, 20, size=(count, len(CHANNELS), 1)) + rng.normal(size=(count, len(CHANNELS), 1))


def batch_by_hand(raw: np.ndarray) -> Batch:
    """What training makes of recordings that need no resampling, one series at a time."""
    x, level = np.empty(raw.shape, np.float32), np.empty((*raw.shape[:2], 2), np.float32)
    for at in np.ndindex(*raw.shape[:2]):
        mean, scale = raw[at].mean(), raw[at].std()
        x[at] = (raw[at] - mean) / scale if scale > 0 else 0.0
        level[at] = mean, scale
    return Batch(torch.from_numpy(x), torch.zeros(len(raw), dtype=torch.long), torch.from_numpy(level))


LAYOUTS = [
    {"channels": "separate", "levels": "scale"},
    {"channels": "fused", "levels": "both"},
    {"channels": "separate", "levels": "none", "length": "native"},
]


@pytest.mark.parametrize("architecture", LAYOUTS, ids=lambda a: "-".join(a.values()))
@pytest.mark.parametrize(("quantizer", "rotation"), QUANTIZERS)
@pytest.mark.parametrize("method", ["action_head", "action_decoder"])
def test_they_are_those_of_the_path_that_is_trained(
    made: Callable[..., ShapeAction], method: str, quantizer: str, rotation: bool, architecture: dict
) -> None:
    model = made(method=method, quantizer=quantizer, rotation_trick=rotation, architecture=architecture)
    raw = recordings(5, SAMPLES)
    raw[2, 1] = 3.25  # a channel that does not move
    batch = batch_by_hand(raw)
    expected = collect(model.network, batch)
    out = model.network.eval()(batch.x.flatten(0, 1), level=batch.level)
    tokens = model.tokenize(raw)
    rows = 1 if architecture["channels"] == "fused" else len(CHANNELS)
    assert tokens.codes.shape == (5, rows, 8)
    np.testing.assert_array_equal(tokens.codes.ravel(), expected.indices.numpy())
    np.testing.assert_allclose(tokens.probabilities.reshape(out.log_q.shape), out.log_q.exp().detach(), rtol=1e-6)
    np.testing.assert_array_equal(tokens.sub_action, tokens.probabilities.argmax(-1))
    np.testing.assert_allclose(tokens.probabilities.sum(-1), 1.0, atol=1e-5)
    start = expected.start.view(5, len(CHANNELS), 8)[:, :rows].numpy() * (SAMPLES - 1)
    np.testing.assert_allclose(tokens.start, start, rtol=1e-6)
    assert (tokens.start >= 0).all()
    assert (tokens.start + tokens.length <= SAMPLES - 1).all()
    assert tokens.names == tuple(f"phrase {k}" for k in range(5))
    assert tokens.alternatives.names == (*tokens.names[:3], "phrase 3 | phrase 4", "phrase 4 | phrase 3")


@pytest.mark.parametrize("samples", [23, 64, 300])
def test_windows_are_in_samples_of_the_recording_as_it_came(made: Callable[..., ShapeAction], samples: int) -> None:
    """On a ramp of one unit per sample a piece says where it was cut out; resampling keeps straight lines."""
    model = made()
    ramp = np.arange(samples, dtype=float)
    raw = np.stack([ramp, ramp[::-1]])[None]
    tokens = model.tokenize(raw)
    x = torch.from_numpy(resample(raw, SAMPLES)[0].astype(np.float32))
    fraction = torch.from_numpy(np.stack([tokens.start[0], tokens.length[0]]) / np.float32(samples - 1))
    pieces = extract_pieces(x, *fraction, samples=5).numpy()
    np.testing.assert_allclose(pieces[0, :, 0], tokens.start[0, 0], atol=1e-3)
    np.testing.assert_allclose(pieces[0, :, -1], (tokens.start + tokens.length)[0, 0], atol=1e-3)
    np.testing.assert_allclose(pieces[1, :, 0], samples - 1 - tokens.start[0, 1], atol=1e-3)


def test_other_lengths_are_resampled_as_in_training(made: Callable[..., ShapeAction]) -> None:
    model, raw = made(), recordings(3, 41)
    tokens, direct = model.tokenize(raw), model.tokenize(resample(raw, SAMPLES))
    np.testing.assert_array_equal(tokens.codes, direct.codes)
    np.testing.assert_allclose(tokens.start / 40, direct.start / (SAMPLES - 1), rtol=1e-5)


def test_arrays_and_tensors_of_any_kind_and_any_number_of_recordings(made: Callable[..., ShapeAction]) -> None:
    model = made()
    raw = recordings(70, SAMPLES).astype(np.float32)  # more than are read at once
    whole = model.tokenize(raw)
    for other in (torch.from_numpy(raw), torch.from_numpy(raw).requires_grad_(), raw.astype(np.float64)):
        for a, b in zip(whole, model.tokenize(other), strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(model.tokenize(raw[:3]).codes, whole.codes[:3])
    assert model.tokenize((100 * raw[:2]).astype(np.int64)).codes.shape == (2, 2, 8)


def test_the_mode_of_the_model_stays(made: Callable[..., ShapeAction]) -> None:
    model = made(architecture={"dropout": 0.5})
    model.network.train()
    first, second = (model.tokenize(recordings(2, SAMPLES)) for _ in range(2))
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    assert model.network.training


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (np.zeros((2, 3, 64)), r"reads 2 channels \(acc x, acc y\), but the recordings of shape \(2, 3, 64\) have 3"),
        (np.zeros((2, 64)), r"expected numbers of shape \(recordings, channels, samples\), got float64 \(2, 64\)"),
        (np.zeros((0, 2, 64)), r"got float64 \(0, 2, 64\)"),
        (np.zeros((1, 2, 64)).astype(str), "expected numbers of shape"),
        (np.zeros((1, 2, 1)), "recordings of 2 or more, but these have 1"),
        (
            np.where(np.arange(64) == 5, np.nan, np.ones((1, 2, 64))),
            "recording 0, channel acc x, sample 5 is no",
        ),
    ],
)
def test_what_cannot_be_read_is_named(made: Callable[..., ShapeAction], raw: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made().tokenize(raw)


def test_a_model_that_does_not_resample_says_so(made: Callable[..., ShapeAction]) -> None:
    model = made(samples=50, architecture={"length": "native"})
    assert model.tokenize(recordings(1, 50)).codes.shape == (1, 2, 8)
    with pytest.raises(ValueError, match=r"of 50 samples, and does not resample .*, but these have 64"):
        model.tokenize(recordings(1, 64))
