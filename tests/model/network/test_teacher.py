from __future__ import annotations

import math

import pytest
import torch

from model.configuration.reading import Configuration
from model.network.alignment import ClassText
from model.network.batch import Batch
from model.network.building import build_model
from model.network.shapes import extract_pieces
from model.network.teacher import PIECE_SAMPLES, SMALLEST_SCALE, AnswerKey, partial_label_loss, sub_action_text


@pytest.fixture
def key(class_text: ClassText) -> AnswerKey:
    torch.manual_seed(0)
    return AnswerKey(class_text, 2)


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 2, 64, generator=generator).cumsum(-1)
    level = torch.rand(3, 2, 2, generator=generator) + 0.5
    return Batch((x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True), torch.tensor([0, 1, 2]), level)


def windows(recordings: int) -> tuple[torch.Tensor, torch.Tensor]:
    start = torch.tensor([0.0, 0.3, 0.7]).expand(recordings, -1)
    return start, torch.full_like(start, 0.25)


def test_a_window_is_described_by_the_pieces_of_all_channels(key: AnswerKey, batch: Batch) -> None:
    described = key.describe(batch.x, *windows(3))
    assert described.shape == (3, 3, 2 * (PIECE_SAMPLES + 2))
    for recording, window, channel in ((0, 0, 0), (2, 1, 1)):
        start, length = (part[:1] for part in windows(3))
        piece = extract_pieces(batch.x[recording, channel][None], start, length, PIECE_SAMPLES)[0, window]
        found = described[recording, window].view(2, -1)[channel]
        torch.testing.assert_close(found[-2], piece.mean(), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(found[-1], piece.std(correction=0).log(), atol=1e-3, rtol=1e-3)
        expected = (piece - piece.mean()) / piece.std(correction=0)
        torch.testing.assert_close(found[:-2], expected, atol=1e-3, rtol=1e-3)


def test_what_does_not_move_is_described_by_finite_numbers(key: AnswerKey, batch: Batch) -> None:
    still = batch._replace(x=torch.zeros_like(batch.x))
    described = key.describe(still.x, *windows(3)).view(3, 3, 2, -1)
    assert float(described[..., :-1].abs().max()) == 0.0
    torch.testing.assert_close(described[..., -1], torch.full((3, 3, 2), math.log(SMALLEST_SCALE)))


def test_a_label_depends_on_its_own_window_alone_but_for_the_set_of_its_class(key: AnswerKey, batch: Batch) -> None:
    start, length = windows(3)
    p = key.label(batch.x, start, length, batch.y)
    torch.testing.assert_close(p.sum(-1), torch.ones(3, 3))
    assert float((p * ~key.owned[batch.y][:, None]).max()) == 0.0
    assert not p.requires_grad
    outside = batch.x.clone()
    outside[:, :, 20:] = 0.0  # the first window ends at sample 15.75
    torch.testing.assert_close(key.label(outside, start, length, batch.y)[:, 0], p[:, 0])
    a = key(key.describe(batch.x, start, length)).exp().mean(0)
    own = a * key.owned[batch.y][:, None]
    torch.testing.assert_close(p, own / own.sum(-1, keepdim=True))


def test_members_answer_by_themselves(key: AnswerKey, batch: Batch) -> None:
    described = key.describe(batch.x, *windows(3))
    every = key(described)
    assert every.shape == (4, 3, 3, 5)
    torch.testing.assert_close(key.members(slice(1, 3))(described), every[1:3])
    torch.testing.assert_close(every.exp().sum(-1), torch.ones(4, 3, 3))
    assert not torch.allclose(every[0], every[1])


def test_a_sub_action_reads_the_mean_of_its_phrases(class_text: ClassText) -> None:
    """Sub-action 1 is the second and the third phrase of class 0, sub-action 0 the first of classes 0 and 1."""
    text = sub_action_text(class_text)
    for k, phrases in ((1, [(0, 1), (0, 2)]), (0, [(0, 0), (1, 0)])):
        mean = torch.stack([class_text.text[y, m] for y, m in phrases]).mean(0)
        torch.testing.assert_close(text[k], mean / mean.norm())


def test_the_partial_label_loss_by_a_loop() -> None:
    log_a = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1)).double().log_softmax(-1)
    owned = torch.tensor([[True, True, False, False], [False, True, True, True]])
    of_set, occurs, entropy = 0.0, 0.0, 0.0
    for b in range(2):
        own = [k for k in range(4) if owned[b, k]]
        for n in range(3):
            mass = sum(math.exp(log_a[b, n, k]) for k in own)
            of_set -= math.log(mass) / 6
            entropy -= sum(math.exp(log_a[b, n, k]) / mass * (log_a[b, n, k] - math.log(mass)) for k in own) / 6
        for k in own:
            mean = sum(math.exp(log_a[b, n, k]) for n in range(3)) / 3
            occurs += math.log(1 / len(own) / mean) / len(own) / 2
    assert float(partial_label_loss(log_a, owned)) == pytest.approx(of_set + occurs + 0.1 * float(entropy))
    members = torch.stack([log_a, log_a])
    assert float(partial_label_loss(members, owned)) == pytest.approx(of_set + occurs + 0.1 * float(entropy))


def test_what_is_trained_towards_and_what_marks(small: dict, class_text: ClassText, batch: Batch) -> None:
    """With a shared key both are its labels; an own one trains towards the trial's attention, and is marked alike."""
    found = {}
    for kind in ("shared", "own"):
        configuration = Configuration(**small | {"alignment": small["alignment"] | {"key": kind}})
        model = build_model(configuration, class_text, 2).eval()
        output = model(batch.x.flatten(0, 1), level=batch.level)
        start, length = model.windows(output.attributes, 3)
        tokens = output.tokens.reshape(3, 16, -1)
        mark, target = model.teacher.mark(batch, start, length), model.teacher.target(tokens, batch, start, length)
        assert mark.shape == target.shape == (3, 16, 5)
        assert torch.equal(mark, target) == (kind == "shared")
        assert (model.teacher.slow is None) == (kind == "shared")
        found[kind] = mark
    torch.testing.assert_close(found["shared"], found["own"])
