from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.meaning.designs import DESIGNS, draw
from benchmarks.meaning.naming import token_truth
from model.dataset.preprocessing import normalise, series_levels
from model.network.alignment import ClassText
from model.network.attributes import AnchoredWindows
from model.network.batch import Batch
from model.network.teacher import AnswerKey
from model.training.answer_key import agreeing_share, key_quality, train_key


def test_two_keys_agree_up_to_names_that_the_same_classes_own() -> None:
    owned = torch.tensor([[True, True, False, True], [True, True, True, False]])  # 0 and 1 are alternatives
    first = torch.tensor([0, 0, 1, 1, 2, 3])
    assert agreeing_share(first, first, owned) == 1.0
    assert agreeing_share(first, torch.tensor([1, 1, 0, 0, 2, 3]), owned) == 1.0
    assert agreeing_share(first, torch.tensor([0, 0, 1, 1, 3, 2]), owned) == pytest.approx(4 / 6)
    assert agreeing_share(first, torch.tensor([1, 0, 0, 0, 2, 2]), owned) == pytest.approx(4 / 6)


def recordings(count: int, seed: int) -> tuple[Batch, np.ndarray]:
    drawn = draw(DESIGNS["anti"], count, seed)
    x, mean, scale = normalise(drawn.x)
    batch = Batch(torch.from_numpy(x), torch.from_numpy(drawn.y), torch.from_numpy(series_levels(x, mean, scale)))
    return batch, drawn.truth


def class_text(seed: int = 0) -> ClassText:
    """A phrase for each primitive, as random directions: names follow from who owns what."""
    owned, generator = DESIGNS["anti"].owned(), torch.Generator().manual_seed(seed)
    phrases = torch.nn.functional.normalize(torch.randn(owned.shape[1], 32, generator=generator), dim=-1)
    own = [np.flatnonzero(row) for row in owned]
    return ClassText([phrases[rows] for rows in own], [rows.tolist() for rows in own], owned.shape[1])


@pytest.mark.slow
def test_a_key_names_what_recordings_show_from_their_classes_alone() -> None:
    """Of six sub-actions each class has three, so that chance is a third; an untrained key names at random."""
    (train, _), (held_out, truth), where = recordings(60, 3), recordings(40, 4), AnchoredWindows(32)
    right = {}
    for name, steps in (("untrained", 0), ("trained", 120)):
        key = AnswerKey(class_text(), 1, 8)
        train_key(key, train, where, 32, steps, 0)
        start, length = where.place(torch.zeros(40, 32, 2))
        named = key.label(held_out.x, start, length, held_out.y).argmax(-1).numpy()
        right[name] = float((named == token_truth(truth, start.numpy(), length.numpy(), 6)).mean())
    assert right["untrained"] < 0.45
    assert right["trained"] > 0.65
    quality = key_quality(key.members(slice(4)), key.members(slice(4, 8)), held_out, where, 32)
    assert quality.agreement > 0.75
    assert quality.information > 0.5
    assert quality.specificity > 0.4


def test_a_key_is_the_same_whatever_ran_before() -> None:
    (train, _), where = recordings(8, 3), AnchoredWindows(8)
    states = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        torch.rand(threads)
        key, before = AnswerKey(class_text(), 1), torch.get_rng_state()
        train_key(key, train, where, 8, 3, 5)
        states.append(key.state_dict())
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.get_num_threads() == threads
    torch.set_num_threads(1)
    assert all(torch.equal(a, b) for a, b in zip(*(state.values() for state in states), strict=True))
