"""Every vocabulary that ships, merged over its whole range with the real encoder, here and as on another machine."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from model.configuration.reading import Configuration
from model.sub_actions import encoder as text_encoder
from model.sub_actions.cut import cut_tree, valid_cuts
from model.sub_actions.encoder import TextEncoder
from model.sub_actions.tree import TIE, MergeTree
from model.sub_actions.vocabulary import load_vocabulary

FILES = sorted((Path(__file__).parents[3] / "spaces" / "sub_actions").glob("*.yaml"))
WAYS = [("average", False), ("complete", False), ("single", False), ("average", True), ("complete", True)]
USUAL_K = Configuration.model_fields["num_sub_actions"].default
NOISE = 2e-7  # of one number of an embedding; `test_machines_differ_by_less` measures it
SIMILARITY_NOISE = 5e-7


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def shipped(request, encoder):
    """A vocabulary, its embeddings, and their tree as training makes it."""
    vocabulary = load_vocabulary(request.param)
    embeddings = encoder.encode(vocabulary.all_phrases())
    return vocabulary, embeddings, MergeTree(vocabulary.all_phrases(), embeddings)


def test_there_are_shipped_vocabularies():
    assert FILES


def test_phrases_are_ten_short_ones_per_class(shipped):
    vocabulary, *_ = shipped
    for name, phrases in vocabulary.classes.items():
        assert len(phrases) == len({phrase.casefold() for phrase in phrases}) == 10, name
        assert [phrase for phrase in phrases if not 2 <= len(phrase.split()) <= 7] == [], name


def test_merges_over_the_whole_range(shipped):
    vocabulary, _, tree = shipped
    valid = valid_cuts(vocabulary, tree)
    assert USUAL_K in valid
    assert set(valid) == set(range(valid[0], len(tree.phrases) + 1))
    finer = None
    for k in range(len(tree.phrases), 0, -1):
        groups = tree.groups(k)
        assert len(groups) == k
        assert sorted(i for members in groups for i in members) == list(range(len(tree.phrases)))
        if finer is not None:
            assert all(any(set(small) <= set(group) for group in groups) for small in finer)
        finer = groups
        if k in valid:
            merged = cut_tree(vocabulary, tree, k)
            assert len(merged.names) == len(set(merged.names)) == len(set(merged.cluster)) == k
            where = dict(zip(merged.phrases, merged.cluster, strict=True))
            assert [where[name] for name in merged.names] == list(range(k))
    similarities = [1.0 - step.distance for step in tree.steps]
    assert all(later <= earlier + TIE for earlier, later in pairwise(similarities))


def test_classes_at_the_usual_number(shipped):
    vocabulary, _, tree = shipped
    merged = cut_tree(vocabulary, tree, USUAL_K)
    assert len({tuple(row) for row in merged.owned}) == len(vocabulary.classes)
    for name in vocabulary.class_names:
        if not merged.own[name]:
            print(f"{vocabulary.name}: {name} has no sub-action of its own at K = {USUAL_K}")


@pytest.mark.parametrize(("linkage", "keep_apart"), WAYS)
def test_another_machine_merges_the_same(shipped, linkage, keep_apart):
    vocabulary, embeddings, _ = shipped
    phrases = vocabulary.all_phrases()
    here = MergeTree(phrases, embeddings, linkage, keep_apart)
    for seed in range(3):
        noise = np.random.default_rng(seed).uniform(-NOISE, NOISE, embeddings.shape)
        there = MergeTree(phrases, embeddings + noise, linkage, keep_apart)
        for one, other in zip(here.steps, there.steps, strict=True):
            pairs = [" + ".join(map(str, map(here.texts, step[:2]))) for step in (one, other)]
            assert one[:2] == other[:2], (
                f"{vocabulary.name}: which comes first hinges on the machine, as the distances differ by about {TIE}: "
                f"{pairs[0]} or {pairs[1]}; reword one of these phrases"
            )
        # Every group of every cut is a phrase or what a step makes, so this is the whole range.
        for group in range(len(here.phrases), len(here.phrases) + len(here.steps)):
            names = [tree.phrases[tree.medoid(tree.members(group))] for tree in (here, there)]
            assert names[0] == names[1], f"{vocabulary.name}: the name of a sub-action hinges on the machine: {names}"


@pytest.mark.slow
def test_machines_differ_by_less(encoder, monkeypatch):
    """Threads, batches and float64 instead of float32 move an embedding by less than the noise of these tests."""
    phrases = sorted(set(load_vocabulary(FILES[0]).all_phrases()))
    usual = encoder.encode(phrases).astype(np.float64)
    threads = torch.get_num_threads()
    others = []
    for count, batch in ((1, 1), (2, 64), (2, 5)):
        torch.set_num_threads(count)
        monkeypatch.setattr(text_encoder, "BATCH_PHRASES", batch)
        others.append(encoder.encode(phrases).astype(np.float64))
    torch.set_num_threads(threads)
    others.append(in_float64(phrases))
    for other in others:
        assert np.abs(other - usual).max() <= NOISE
        assert np.abs(other @ other.T - usual @ usual.T).max() <= SIMILARITY_NOISE


@torch.no_grad()
def in_float64(phrases):
    encoder = TextEncoder()
    tokens = encoder._tokenizer(phrases, padding=True, return_tensors="pt")
    weight = tokens["attention_mask"].unsqueeze(-1).double()
    states = encoder._model.double()(**tokens).last_hidden_state
    return torch.nn.functional.normalize((states * weight).sum(1) / weight.sum(1), dim=-1).numpy()
