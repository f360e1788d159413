from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from model.checkpoint import CheckpointError
from model.configuration.reading import Configuration
from model.evaluation.evaluate import code_meanings, collect, read_meaning
from model.evaluation.meaning import CodeMeaning, LabelledTokens, load_code_meaning, measure_meaning, write_codes
from model.network.alignment import ClassText
from model.network.batch import Batch
from model.network.building import build_model

NAMES = ("raise hand", "rest, arm down", "swing")
CLASSES = ("wave", "sit")
OWNED = np.array([[1, 0, 1], [0, 1, 1]])  # each by other classes


def by_hand() -> CodeMeaning:
    """Four codes: 0 by one sharp recording, 1 by three recordings that differ, 2 by none, 3 says what is not so."""
    p = np.array([[1, 0, 0], [1, 0, 0], [0.8, 0.2, 0], [0, 0.5, 0.5], [0.2, 0.2, 0.6], [0, 0, 1], [0, 0, 1]])
    code, recording = np.array([0, 0, 1, 1, 1, 3, 3]), np.array([0, 0, 1, 2, 3, 1, 1])
    q = np.array([[0.9, 0.05, 0.05], [1 / 3, 0.3, 11 / 30], [0.98, 0.01, 0.01], [0.98, 0.01, 0.01]])
    tokens = LabelledTokens(code, p, recording, np.array([0, 1, 0, 0])[recording])
    return measure_meaning(np.zeros((4, 8)), q, q[::-1], tokens, NAMES, CLASSES)


def test_use_is_counted_by_code_class_and_recording() -> None:
    meaning = by_hand()
    np.testing.assert_array_equal(meaning.class_tokens, [[2, 0], [2, 1], [0, 0], [0, 2]])
    np.testing.assert_array_equal(meaning.tokens, [2, 3, 0, 2])
    np.testing.assert_allclose(meaning.share, np.array([2, 3, 0, 2]) / 7)
    np.testing.assert_allclose(meaning.recordings, [1, 3, 0, 1])


def test_unequal_recordings_count_for_less_than_their_number() -> None:
    tokens = LabelledTokens(np.zeros(4, int), np.full((4, 2), 0.5), np.array([0, 0, 0, 1]), np.zeros(4, int))
    q = np.full((2, 2), 0.5)
    meaning = measure_meaning(np.zeros((2, 8)), q, q, tokens, NAMES[:2], CLASSES)
    np.testing.assert_allclose(meaning.recordings, [16 / 10, 0], rtol=1e-6)


def test_sureness_by_hand() -> None:
    meaning = by_hand()
    # Code 0: every token costs −ln 0.9; one recording halves it.
    assert meaning.confidence[0] == pytest.approx((1 + math.log(0.9) / math.log(3)) / 2, rel=1e-5)
    # Code 1 says what its tokens say on average, and that is nearly nothing: one minus the normalised entropy.
    q = [1 / 3, 0.3, 11 / 30]
    entropy = -sum(v * math.log(v) for v in q)
    assert meaning.confidence[1] == pytest.approx((1 - entropy / math.log(3)) * 3 / 4, rel=1e-3)
    assert meaning.confidence[2] == 0.0  # no token says so
    assert meaning.confidence[3] == 0.0  # its tokens say something else


def test_stray_is_the_mean_divergence_of_the_tokens() -> None:
    meaning = by_hand()
    assert meaning.mean_kl[0] == pytest.approx(-math.log(0.9), rel=1e-5)
    assert np.isnan(meaning.mean_kl[2])
    assert meaning.mean_kl[3] == pytest.approx(-math.log(0.01), rel=1e-5)


def test_the_table_is_one_row_per_code(tmp_path: Path) -> None:
    write_codes(tmp_path / "codes.csv", by_hand(), OWNED)
    with (tmp_path / "codes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["code"] for row in rows] == ["0", "1", "2", "3"]
    assert rows[0] == {
        "code": "0",
        "tokens": "2",
        "share": "0.2857",
        "recordings": "1.0",
        "sureness": "0.452",
        "stray": "0.105",
        "sub_action_1": "raise hand",
        "probability_1": "0.900",
        "sub_action_2": "rest, arm down",
        "probability_2": "0.050",
        "sub_action_3": "swing",
        "probability_3": "0.050",
    }
    assert rows[2]["stray"] == ""
    assert [rows[1][f"sub_action_{rank}"] for rank in (1, 2, 3)] == ["swing", "raise hand", "rest, arm down"]
    assert [rows[1][f"probability_{rank}"] for rank in (1, 2, 3)] == ["0.367", "0.333", "0.300"]


def test_sub_actions_that_cannot_be_told_apart_are_alternatives_in_the_table(tmp_path: Path) -> None:
    write_codes(tmp_path / "codes.csv", by_hand(), np.array([[1, 0, 1], [0, 1, 0]]))
    with (tmp_path / "codes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[6:] == ["sub_action_1", "probability_1", "sub_action_2", "probability_2"]
    assert (rows[0]["sub_action_1"], rows[0]["probability_1"]) == ("raise hand | swing", "0.950")
    assert (rows[1]["sub_action_1"], rows[1]["probability_1"]) == ("swing | raise hand", "0.700"), "likeliest first"
    assert (rows[1]["sub_action_2"], rows[1]["probability_2"]) == ("rest, arm down", "0.300")


def split(n: int) -> Batch:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(n, 2, 64, generator=generator)
    return Batch((x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True), torch.arange(n) % 3)


@pytest.mark.parametrize("method", ["action_head", "action_decoder"])
def test_a_models_meaning_is_what_a_loop_over_its_tokens_gives(small: dict, class_text: ClassText, method: str) -> None:
    nearest = {"method": method, "synthesis": 0.0}
    model = build_model(Configuration(**small | nearest), class_text, 2).eval()
    train = split(9)
    learnt = collect(model, train)
    # Codes set by hand: three on what the encoder gives, the rest so far away that no token chooses them.
    with torch.no_grad():
        model.quantizer.codes[:3] = learnt.z[[0, 40, 90]]
        model.quantizer.codes[3:] = 100.0 + torch.arange(12.0).view(3, 4)
    learnt = collect(model, train)
    names, classes = tuple("abcde"), ("x", "y", "z")
    meaning = read_meaning(model, learnt, train.y, names, classes)
    total, count = torch.zeros(6, 5), [0] * 6
    for n, z in enumerate(learnt.z):
        code = int((model.quantizer.codes - z).norm(dim=-1).argmin())
        total[code] += learnt.p[n]
        count[code] += 1
    mapped = torch.stack([(total[j] + learnt.p.mean(0)) / (count[j] + 1) for j in range(6)])
    assert count[3:] == [0, 0, 0]
    assert meaning.tokens.tolist() == count
    assert meaning.class_tokens.sum() == 9 * 2 * 8
    np.testing.assert_allclose(meaning.accumulated, mapped, atol=1e-6)
    with torch.no_grad():
        decoded = mapped if method == "action_head" else model.action(model.quantizer.codes).exp()
        shapes = model.shapes(model.quantizer.codes)[:, None]  # one channel a token
    np.testing.assert_allclose(meaning.distribution, decoded, atol=1e-6)
    np.testing.assert_allclose(meaning.shapes, shapes, atol=1e-6)
    np.testing.assert_allclose(code_meanings(model, learnt).detach().exp(), meaning.distribution, atol=1e-6)
    assert (meaning.confidence[3:] == 0).all()
    assert ((meaning.confidence >= 0) & (meaning.confidence < 1)).all()


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    meaning, path = by_hand(), tmp_path / "model.safetensors"
    save_file({n: np.ascontiguousarray(a) for n, a in meaning.tensors().items()}, path, about(meaning.names()))
    again = load_code_meaning(path)
    assert (again.sub_actions, again.classes) == (NAMES, CLASSES)
    for name, array in again.tensors().items():
        np.testing.assert_array_equal(array, meaning.tensors()[name], err_msg=name)


def about(names: dict) -> dict[str, str]:
    return {"about": json.dumps(names)}


def test_files_without_meanings_are_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
        load_code_meaning(path)
    meaning = by_hand()
    save_file({"code_meanings": meaning.distribution}, path, about(meaning.names()))
    with pytest.raises(CheckpointError, match=r"lacks code_shapes, .*train it again"):
        load_code_meaning(path)
    save_file({n: np.ascontiguousarray(a) for n, a in meaning.tensors().items()}, path)
    with pytest.raises(CheckpointError, match="lacks sub_actions, classes"):
        load_code_meaning(path)
