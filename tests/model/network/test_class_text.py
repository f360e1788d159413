from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model.configuration.reading import Configuration
from model.network.alignment import ClassText
from model.network.batch import Batch
from model.study import ShapeActionStudy
from model.training.run import ShapeActionRun


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
    seen = run.step(all_others, None, quantize=False)
    run.model.teacher.text.text.copy_(run.model.teacher.text.wordings[:, :, 1])
    only = run.step(batch, None, quantize=False)
    torch.testing.assert_close(seen.terms.contrastive, only.terms.contrastive)
    torch.testing.assert_close(seen.terms.action, only.terms.action)


def test_drawn_training_goes_on_after_a_restart(small: dict, tmp_path: Path) -> None:
    through = a_run(small, "drawn", 1.0)
    through.train_epoch()
    through.save(tmp_path)
    again = a_run(small, "drawn", 1.0)
    again.restore(tmp_path)
    assert again.train_epoch() == through.train_epoch()


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
