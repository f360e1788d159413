from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from model.configuration.reading import Configuration
from model.network.alignment import Aligner, ClassText, MovingAverage, contrastive_loss, soft_labels
from model.network.batch import Batch
from model.network.teacher import AnswerKey, TextTeacher
from model.study import ShapeActionStudy
from model.training.run import ShapeActionRun

WIDTH, TEXT_WIDTH = 16, 12


@pytest.fixture
def teacher(class_text: ClassText) -> TextTeacher:
    torch.manual_seed(0)
    return TextTeacher(Aligner(WIDTH, TEXT_WIDTH, 8, 2, 0.1), class_text, AnswerKey(class_text, 1), momentum=0.9)


def tokens(recordings: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(recordings, 6, WIDTH, generator=torch.Generator().manual_seed(seed))


def test_class_text_knows_padding_and_owned_sub_actions(class_text: ClassText) -> None:
    assert class_text.present.tolist() == [[True] * 3, [True, True, False], [True] * 3]
    assert class_text.owned.int().tolist() == [[1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 1, 1]]


def test_the_aligners_own_labels_are_distributions_on_the_own_set(teacher: TextTeacher) -> None:
    y = torch.tensor([0, 1, 2, 1])
    window = torch.full((4, 6), 0.1)
    p = teacher.target(tokens(4), Batch(torch.zeros(4, 1, 64), y), window, window)
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
    bare = TextTeacher(teacher.aligner, alone, AnswerKey(alone, 1)).align(tokens(2), torch.tensor([0, 0]))
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


def embedded(*values: float) -> torch.Tensor:
    """Phrases whose embedding says which one they are."""
    return torch.tensor([[value, -value] for value in values])


@pytest.fixture
def text() -> ClassText:
    """Two classes; the phrase 2.0 has two other wordings, the phrase 4.0 has one, the others none."""
    none = torch.zeros(0, 2)
    others = [[none, embedded(2.1, 2.2)], [embedded(4.1), none, none]]
    return ClassText([embedded(1.0, 2.0), embedded(4.0, 5.0, 6.0)], [[0, 1], [1, 2, 0]], 3, others)


def test_the_first_wording_is_read_where_none_is_drawn(text: ClassText) -> None:
    y = torch.tensor([1, 0])
    torch.testing.assert_close(text.phrases(y)[..., 0], torch.tensor([[4.0, 5.0, 6.0], [1.0, 2.0, 0.0]]))
    torch.testing.assert_close(text.phrases(y, torch.zeros(2, 3, dtype=torch.long)), text.phrases(y))


def test_every_wording_is_drawn_alike_often(text: ClassText) -> None:
    y = torch.arange(2).repeat(3000)
    read = text.phrases(y, text.draw_wordings(y, torch.Generator().manual_seed(0)))[..., 0]
    for value, share in ((2.0, 1 / 3), (2.1, 1 / 3), (2.2, 1 / 3)):
        assert float((read[::2, 1] == value).float().mean()) == pytest.approx(share, abs=0.03)
    for value in (4.0, 4.1):
        assert float((read[1::2, 0] == value).float().mean()) == pytest.approx(0.5, abs=0.03)
    assert read[::2, 0].unique().tolist() == [1.0]
    assert read[::2, 2].unique().tolist() == [0.0]  # padding
    assert read[1::2, 1:].unique().tolist() == [5.0, 6.0]


def test_recordings_draw_for_themselves(text: ClassText) -> None:
    y = torch.zeros(40, dtype=torch.long)
    assert len(text.draw_wordings(y, torch.Generator().manual_seed(0))[:, 1].unique()) == 3


def test_checkpoints_do_not_hold_other_wordings(text: ClassText) -> None:
    assert set(text.state_dict()) == {"text", "phrase_to_sub_action"}


def a_run(small: dict, wordings: str, others: float | None) -> ShapeActionRun:
    generator = torch.Generator().manual_seed(7)
    embeddings = [torch.randn(n, 12, generator=generator) for n in (3, 2, 3)]
    other = None
    if others is not None:
        other = [[phrase[None] + others for phrase in phrases] for phrases in embeddings]
    text = ClassText(embeddings, [[0, 1, 1], [0, 2], [3, 4, 3]], 5, other)
    x = torch.randn(12, 2, 64, generator=generator).cumsum(-1)
    batch = Batch((x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True), torch.arange(12) % 3)
    return ShapeActionRun(Configuration(**small | {"training": {"wordings": wordings}}), batch, batch, text)


def test_drawn_wordings_train_and_evaluation_reads_the_first(small: dict) -> None:
    first, drawn = a_run(small, "first", 1.0), a_run(small, "drawn", 1.0)
    assert first.evaluate() == drawn.evaluate()  # the same weights, and no text drawn
    assert first.train_epoch()["loss_contrastive"] != drawn.train_epoch()["loss_contrastive"]


def test_a_step_reads_the_wordings_that_were_drawn(small: dict) -> None:
    """The loss of a step with drawn wordings is that of a text that has only those."""
    run = a_run(small, "drawn", 1.0)
    batch = run.train.take(slice(0, 4))
    all_others = batch._replace(wording=torch.ones(4, 3, dtype=torch.long))
    seen = run.step(all_others, None, quantize=False, action_weight=0.5)
    run.model.teacher.text.text.copy_(run.model.teacher.text.wordings[:, :, 1])
    only = run.step(batch, None, quantize=False, action_weight=0.5)
    torch.testing.assert_close(seen.terms.contrastive, only.terms.contrastive)
    torch.testing.assert_close(seen.terms.action, only.terms.action)


def test_drawn_training_goes_on_after_a_restart(small: dict, tmp_path: Path) -> None:
    through = a_run(small, "drawn", 1.0)
    through.train_epoch()
    through.save(tmp_path)
    again = a_run(small, "drawn", 1.0)
    again.restore(tmp_path)
    assert again.train_epoch() == through.train_epoch()


@pytest.mark.slow
def test_wordings_that_are_not_there_cannot_be_drawn() -> None:
    phrases = {"sit": ["hold wrist level", "rest arm on lap"], "walk": ["swing arm forward", "foot strikes ground"]}
    classes = {"standing": phrases["sit"], "walking": phrases["walk"]}
    classes |= {"running": ["elbow stays bent"], "badminton": ["forearm twists"]}
    vocabulary = {"name": "toy", "classes": classes}
    fixed = {"vocabulary": vocabulary, "num_sub_actions": 6, "training": {"wordings": "drawn"}, "threads": 1}
    resolved = ShapeActionStudy.resolve(fixed, Path())
    with pytest.raises(ValueError, match=r"training\.wordings: drawn, but the vocabulary toy has one wording of each"):
        ShapeActionStudy(resolved).check(resolved)
    vocabulary["wordings"] = {"forearm twists": ["forearm twist", "the forearm turns about itself"]}
    resolved = ShapeActionStudy.resolve(fixed, Path())
    study = ShapeActionStudy(resolved)
    study.check(resolved)
    text = study.text.class_text(study.text.merged(6))
    badminton = study.dataset.class_names.index("Badminton")
    assert text.wording_counts[badminton].tolist() == [3, 1]
    assert study.trial(resolved, "cpu").train_epoch()["loss"] > 0
