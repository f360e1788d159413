from __future__ import annotations

import math

import pytest
import torch

from model.network.alignment import Aligner, ClassText, MovingAverage, TextTeacher, contrastive_loss, soft_labels

WIDTH, TEXT_WIDTH = 16, 12


@pytest.fixture
def teacher(class_text: ClassText) -> TextTeacher:
    torch.manual_seed(0)
    return TextTeacher(Aligner(WIDTH, TEXT_WIDTH, 8, 2, 0.1), class_text, 0.9)


def tokens(recordings: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(recordings, 6, WIDTH, generator=torch.Generator().manual_seed(seed))


def test_class_text_knows_padding_and_owned_sub_actions(class_text: ClassText) -> None:
    assert class_text.present.tolist() == [[True] * 3, [True, True, False], [True] * 3]
    assert class_text.owned.int().tolist() == [[1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 1, 1]]


def test_soft_labels_are_distributions_on_the_own_set(teacher: TextTeacher) -> None:
    y = torch.tensor([0, 1, 2, 1])
    p = teacher.label(tokens(4), y)
    torch.testing.assert_close(p.sum(-1), torch.ones(4, 6))
    assert float((p * ~teacher.text.owned[y][:, None]).abs().max()) == 0.0
    assert not p.requires_grad


def test_soft_labels_add_attention_up_by_cluster() -> None:
    attention = torch.tensor([[[0.2, 0.3, 0.5]]])
    phrase_to_sub_action = torch.tensor([[[1.0, 0, 0], [0, 1, 0], [0, 1, 0]]])
    torch.testing.assert_close(soft_labels(attention, phrase_to_sub_action), torch.tensor([[[0.2, 0.8, 0.0]]]))


def test_padding_changes_nothing(teacher: TextTeacher) -> None:
    """Class 1 has two phrases and is padded to three; alone it needs no padding."""
    alone = ClassText([teacher.text.text[1, :2]], [[0, 2]], 5)
    padded = teacher.align(tokens(2), torch.tensor([1, 1]))
    bare = TextTeacher(teacher.aligner, alone, 0.9).align(tokens(2), torch.tensor([0, 0]))
    torch.testing.assert_close(padded.fused_signal, bare.fused_signal)
    torch.testing.assert_close(padded.fused_text, bare.fused_text)
    torch.testing.assert_close(padded.text, bare.text)
    torch.testing.assert_close(padded.attention[..., :2], bare.attention)
    assert float(padded.attention[..., 2].max()) == 0.0


def contrastive_by_a_loop(signal: torch.Tensor, text: torch.Tensor, y: torch.Tensor, temperature: float) -> float:
    def one_way(a: torch.Tensor, b: torch.Tensor) -> float:
        total = 0.0
        for i in range(len(a)):
            scores = [float(torch.cosine_similarity(a[i], b[j], dim=0)) / temperature for j in range(len(b))]
            log_sum = math.log(sum(math.exp(s) for s in scores))
            same = [j for j in range(len(b)) if y[j] == y[i]]
            total -= sum(scores[j] - log_sum for j in same) / len(same)
        return total / len(a)

    return one_way(signal, text) + one_way(text, signal)


def test_contrastive_loss_by_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    signal, text = torch.randn(2, 7, 4, generator=generator, dtype=torch.float64)
    y = torch.tensor([0, 1, 0, 2, 1, 0, 2])
    expected = contrastive_by_a_loop(signal, text, y, 0.2)
    assert float(contrastive_loss(signal, text, y, 0.2)) == pytest.approx(expected)


def test_contrastive_loss_reaches_its_floor_when_classes_are_apart_and_chance_when_all_is_one() -> None:
    y = torch.tensor([0, 0, 1, 1, 1, 2])
    apart = torch.eye(3)[y]
    partners = [2, 2, 3, 3, 3, 1]
    floor = 2 * sum(math.log(n) for n in partners) / 6
    assert float(contrastive_loss(apart, apart, y, 0.01)) == pytest.approx(floor, abs=1e-4)
    same = torch.ones(6, 3)
    assert float(contrastive_loss(same, same, y, 0.1)) == pytest.approx(2 * math.log(6), abs=1e-5)


def test_the_contrastive_loss_does_not_push_recordings_of_a_class_apart() -> None:
    y = torch.tensor([0, 0, 1, 1])
    signal, text = torch.eye(2)[y].clone().requires_grad_(), torch.eye(2)[y]
    (gradient,) = torch.autograd.grad(contrastive_loss(signal, text, y, 0.1), signal)
    torch.testing.assert_close(gradient[0], gradient[1])


def test_the_moving_average_moves_by_its_momentum() -> None:
    layer = torch.nn.Linear(2, 2)
    slow = MovingAverage(layer, 0.9)
    before = slow.average.weight.clone()
    layer.weight.data += 1.0
    slow.update(layer)
    torch.testing.assert_close(slow.average.weight, before + 0.1)
    assert not slow.average.weight.requires_grad


def test_similarities_see_no_label_and_are_cosines(teacher: TextTeacher) -> None:
    similar = teacher.similarities(tokens(4))
    assert similar.shape == (4, 3)
    signal = teacher.aligner.project_signal(tokens(4)).mean(1)
    for c, phrases in enumerate((3, 2, 3)):
        anchor = teacher.aligner.project_text(teacher.text.text[c, :phrases]).mean(0)
        torch.testing.assert_close(similar[:, c], torch.cosine_similarity(signal, anchor[None], dim=-1))
