from __future__ import annotations

import pytest
import torch

from model.configuration.reading import Configuration
from model.configuration.sections import LossWeights
from model.evaluation.metrics import shape_correlation, unexplained_by_shapes
from model.network.alignment import ClassText, contrastive_loss
from model.network.attributes import diversity_loss
from model.network.batch import Batch
from model.network.building import build_model, longest_window
from model.network.heads import ClassHeads
from model.network.shapes import extract_pieces, normalise_pieces, normalised_shape_loss, stitch
from model.training.losses import LossTerms, loss_terms, mean_terms, total_loss


@pytest.fixture
def batch() -> Batch:
    x = torch.randn(5, 2, 64, generator=torch.Generator().manual_seed(0))
    return Batch(x, torch.tensor([0, 1, 2, 0, 1]))


def test_every_term_is_the_formula_applied_to_what_the_model_gives(
    small: dict, class_text: ClassText, batch: Batch
) -> None:
    configuration = Configuration(**small | {"classify": "both"})
    model = build_model(configuration, class_text, 2).eval()
    output = model(batch.x.flatten(0, 1))
    longest = longest_window(configuration)
    terms = loss_terms(model, batch, output, longest, 0.1)
    x, a = batch.x.flatten(0, 1), output.attributes
    tokens = output.tokens.reshape(5, 2 * 8, 16)
    pieces = extract_pieces(x, a.start, a.length, 16)
    aligned = model.teacher.align(tokens, batch.y)
    p = model.teacher.mark(batch, *model.windows(a, 5)).reshape(10, 8, 5)
    q = output.log_q.exp()
    kl = torch.where(p > 0, p * (p / q).log(), torch.zeros(())).sum(-1).mean()
    fused = contrastive_loss(aligned.fused_signal, aligned.fused_text, batch.y, 0.1)
    unfused = contrastive_loss(aligned.signal, aligned.text, batch.y, 0.1)
    assert model.classes is not None
    expected = LossTerms(
        series=((x - output.series) ** 2).mean(),
        quantization=output.quantized.loss,
        diversity=diversity_loss(a.start, a.length),
        contrastive=(fused + unfused) / 2,
        classification=model.classes(output.quantized.code.reshape(5, 16, 4), tokens, batch.y),
        shape=normalised_shape_loss(output.shapes, normalise_pieces(pieces), a.length),
        piece=((output.decoded - pieces) ** 2).mean(),
        skill=unexplained_by_shapes(output.decoded, pieces, a.length),
        stitch=((x - stitch(output.decoded, a.start, a.length, 64, 1.0).series) ** 2).mean(),
        action=kl,
        scale_ratio=a.scale.mean() / normalise_pieces(pieces).scale.mean(),
    )
    for name, value, wanted in zip(LossTerms._fields, terms, expected, strict=True):
        torch.testing.assert_close(value, wanted, msg=lambda text, name=name: f"{name}: {text}")


def test_the_total_by_hand() -> None:
    terms = LossTerms(*(torch.tensor(float(n)) for n in (2, 3, 5, 7, 11, 13, 17, 29, 19, 23, 31)))
    weights = LossWeights(
        series=0.5,
        quantization=0.25,
        diversity=2.0,
        contrastive=0.1,
        classification=0.3,
        shape=1.5,
        piece=0.2,
        skill=0.6,
        stitch=0.4,
        action=0.7,
    )
    shape = 1.5 * 13 + 0.2 * 17 + 0.6 * 29 + 0.4 * 19
    expected = 0.5 * 2 + 0.25 * 3 + 2.0 * 5 + 0.1 * 7 + 0.3 * 11 + 2 * (0.8 * shape + 0.2 * 0.7 * 23)
    assert float(total_loss(terms, weights, 0.2)) == pytest.approx(expected)


def test_the_classification_loss_is_the_mean_cross_entropy_of_the_attached_heads() -> None:
    torch.manual_seed(0)
    code, tokens, y = torch.randn(4, 6, 3), torch.randn(4, 6, 8), torch.tensor([0, 1, 2, 1])
    heads = ClassHeads("both", 3, 8, 3)
    assert heads.codes is not None
    assert heads.tokens is not None

    def cross_entropy(logits: torch.Tensor) -> torch.Tensor:
        return torch.stack([logits[i].exp().sum().log() - logits[i, y[i]] for i in range(4)]).mean()

    of_codes, of_tokens = cross_entropy(heads.codes(code.mean(1))), cross_entropy(heads.tokens(tokens.mean(1)))
    torch.testing.assert_close(heads(code, tokens, y), (of_codes + of_tokens) / 2)
    only = ClassHeads("codes", 3, 8, 3)
    assert only.tokens is None
    torch.testing.assert_close(only(code, tokens, y), cross_entropy(only.codes(code.mean(1))))
    other = ClassHeads("tokens", 3, 8, 3)
    assert other.codes is None
    torch.testing.assert_close(other(code, tokens, y), cross_entropy(other.tokens(tokens.mean(1))))


CODE_SIDE = ("quantizer.codes", "attributes.to_code")
TOKEN_SIDE = ("to_tokens.encoder", "to_tokens.tokenizer")


@pytest.mark.parametrize("quantizer", ["synchronised", "straight_through"])
@pytest.mark.parametrize("attach", ["none", "codes", "tokens", "both"])
def test_the_classification_loss_trains_the_side_that_it_is_attached_to(
    small: dict, class_text: ClassText, batch: Batch, attach: str, quantizer: str
) -> None:
    model = build_model(Configuration(**small | {"classify": attach, "quantizer": quantizer}), class_text, 2)
    loss = loss_terms(model, batch, model(batch.x.flatten(0, 1)), 1.0, 0.1).classification
    if attach == "none":
        assert model.classes is None
        assert float(loss) == 0.0
        assert not loss.requires_grad
        return
    loss.backward()
    reached = {
        side: any(
            p.grad is not None and bool(p.grad.abs().max() > 0)
            for name, p in model.named_parameters()
            if name.startswith(side)
        )
        for side in (*CODE_SIDE, *TOKEN_SIDE, "attributes.to_window", "rebuild", "teacher")
    }
    # A code comes of a token, so the loss on codes goes on into the tokens; the loss on tokens never reaches a code.
    assert {side for side, by in reached.items() if by} == {
        *TOKEN_SIDE,
        *(["attributes.to_code"] if attach != "tokens" else []),
        *(["quantizer.codes"] if attach != "tokens" and quantizer == "synchronised" else []),
    }
    heads = {name for name in ("codes", "tokens") if getattr(model.classes, name) is not None}
    assert heads == ({"codes", "tokens"} if attach == "both" else {attach})


def test_means_over_an_epoch_carry_every_term() -> None:
    terms = LossTerms(*(torch.tensor(float(n)) for n in range(11)))
    doubled = LossTerms(*(2 * t for t in terms))
    means = mean_terms([(torch.tensor(1.0), terms), (torch.tensor(2.0), doubled)])
    assert means["loss"] == pytest.approx(1.5)
    assert means["loss_action"] == pytest.approx(13.5)
    losses = {f"loss_{name}" for name in LossTerms._fields if name != "scale_ratio"}
    assert set(means) == {"loss", *losses, "train_shape_correlation", "train_scale_ratio"}
    assert means["train_scale_ratio"] == pytest.approx(1.5 * float(terms.scale_ratio))


def test_the_watched_correlation_is_that_of_the_metric(small: dict, class_text: ClassText, batch: Batch) -> None:
    configuration = Configuration(**small)
    model = build_model(configuration, class_text, 2).eval()
    output = model(batch.x.flatten(0, 1))
    terms = loss_terms(model, batch, output, longest_window(configuration), 0.1)
    a = output.attributes
    pieces = extract_pieces(batch.x.flatten(0, 1), a.start, a.length, 16)
    watched = mean_terms([(torch.tensor(0.0), terms)])
    expected = float(shape_correlation(output.shapes, pieces, a.length))
    assert watched["train_shape_correlation"] == pytest.approx(expected, abs=1e-3)  # the decoder's norm has an epsilon
