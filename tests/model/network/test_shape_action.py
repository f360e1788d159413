from __future__ import annotations

import pytest
import torch

from model.configuration.reading import Configuration
from model.network.alignment import ClassText
from model.network.batch import Batch
from model.network.building import build_model
from model.network.heads import kl_divergence
from model.network.shape_action import ShapeActionNetwork
from model.network.shapes import extract_pieces, fit_offset_scale


def series(n: int = 6) -> torch.Tensor:
    return torch.randn(n, 64, generator=torch.Generator().manual_seed(0))


def build(small: dict, text: ClassText, **changes: object) -> ShapeActionNetwork:
    return build_model(Configuration(**small | changes), text, channels=2).eval()


def action_loss(model: ShapeActionNetwork) -> torch.Tensor:
    output = model(series())
    batch = Batch(series().view(3, 2, 64), torch.tensor([0, 1, 2]))
    p = model.teacher.mark(batch, *model.windows(output.attributes, 3)).reshape(6, 8, 5)
    return kl_divergence(p, output.log_q).mean()


@pytest.mark.parametrize("method", ["action_head", "action_decoder"])
def test_shapes_of_all_outputs(small: dict, class_text: ClassText, method: str) -> None:
    output = build(small, class_text, method=method)(series())
    assert output.tokens.shape == (6, 8, 16)
    assert output.quantized.indices.shape == (6, 8)
    assert output.shapes.shape == output.decoded.shape == (6, 8, 16)
    assert output.series.shape == (6, 64)
    torch.testing.assert_close(output.log_q.exp().sum(-1), torch.ones(6, 8))


@pytest.mark.parametrize("method", ["action_head", "action_decoder"])
def test_labels_do_not_leak_into_what_is_quantised_decoded_or_predicted(
    small: dict, class_text: ClassText, method: str
) -> None:
    """Other class texts, same weights: nothing that the signal path gives may change."""
    model = build(small, class_text, method=method)
    before = model(series())
    model.teacher.text.text.normal_(generator=torch.Generator().manual_seed(5))
    for layer in model.teacher.parameters():
        layer.data.zero_()
    after = model(series())
    for first, second in zip(before, after, strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=0)


@pytest.mark.parametrize("method", ["action_head", "action_decoder"])
def test_the_action_loss_reaches_the_encoder(small: dict, class_text: ClassText, method: str) -> None:
    model = build(small, class_text, method=method)
    action_loss(model).backward()
    gradient = model.to_tokens.encoder.project.weight.grad
    assert gradient is not None
    assert float(gradient.abs().max()) > 0


@pytest.mark.parametrize(
    ("method", "quantizer", "reached"),
    [
        ("action_decoder", "synchronised", True),
        ("action_decoder", "straight_through", False),
        ("action_decoder", "ema", False),
        ("action_decoder", "sim_vq", False),
        ("action_decoder", "fsq", True),
        ("action_head", "synchronised", False),
        ("action_head", "straight_through", False),
        ("action_head", "ema", False),
        ("action_head", "sim_vq", False),
        ("action_head", "fsq", False),
    ],
)
def test_which_codes_the_action_loss_reaches(
    small: dict, class_text: ClassText, method: str, quantizer: str, reached: bool
) -> None:
    model = build(small, class_text, method=method, quantizer=quantizer)
    action_loss(model).backward()
    gradients = [p.grad for p in model.quantizer.parameters() if p.grad is not None]
    assert any(bool(gradient.any()) for gradient in gradients) == reached


def test_the_action_loss_does_not_move_its_own_target(small: dict, class_text: ClassText) -> None:
    model = build(small, class_text)
    action_loss(model).backward()
    assert all(p.grad is None for p in model.teacher.parameters())


def test_before_quantization_the_code_is_the_encoder_output(small: dict, class_text: ClassText) -> None:
    output = build(small, class_text)(series(), quantize=False)
    torch.testing.assert_close(output.quantized.code, output.attributes.z)
    assert float(output.quantized.loss) == 0.0


def test_mixed_precision_keeps_codes_and_losses_in_float32(small: dict, class_text: ClassText) -> None:
    model = build(small, class_text)
    exact = model(series())
    model.mixed_precision = True
    mixed = model(series())
    assert mixed.tokens.dtype == mixed.series.dtype == mixed.log_q.dtype == torch.float32
    assert float((mixed.tokens - exact.tokens).abs().max().detach()) < 0.2


def test_building_is_repeatable_and_leaves_the_random_state_alone(small: dict, class_text: ClassText) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = build(small, class_text).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    second = build(small, class_text).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = build(small, class_text, seed=1).state_dict()
    assert not torch.equal(first["to_tokens.encoder.project.weight"], other["to_tokens.encoder.project.weight"])


@pytest.mark.parametrize("weight", [0.0, 0.5, 1e9])
def test_a_code_is_chosen_by_how_near_it_lies_and_by_what_it_draws(
    small: dict, class_text: ClassText, weight: float
) -> None:
    model = build(small, class_text, synthesis=weight)
    output, codes = model(series()), model.quantizer.codes.detach()
    spread = float(codes.var(0, correction=0).sum())
    drawn = model.shapes(codes).detach()
    chosen = []
    for z, piece in zip(output.attributes.z.flatten(0, 1), output.pieces.flatten(0, 1), strict=True):
        costs = []
        for code, shape in zip(codes, drawn, strict=True):
            offset, scale = fit_offset_scale(shape, piece)
            error = (piece - scale * shape - offset).square().mean()
            costs.append(float((z - code).square().sum() / spread + weight * error))
        chosen.append(min(range(len(costs)), key=costs.__getitem__))
    assert output.quantized.indices.flatten().tolist() == chosen


@pytest.mark.parametrize(("action_weight", "factor"), [(0.5, 1.0), (0.2, 4.0), (0.9, 1 / 9)])
def test_the_choice_is_traded_as_the_losses_are(
    small: dict, class_text: ClassText, action_weight: float, factor: float
) -> None:
    model = build(small, class_text, synthesis=3.0, action_weight=action_weight)
    assert model.synthesis == pytest.approx(3.0 * factor)


def test_offset_and_scale_follow_from_the_piece(small: dict, class_text: ClassText) -> None:
    output = build(small, class_text)(series())
    a = output.attributes
    torch.testing.assert_close(output.pieces, extract_pieces(series(), a.start, a.length, 16))
    offset, scale = fit_offset_scale(output.shapes, output.pieces)
    torch.testing.assert_close(a.offset, offset)
    torch.testing.assert_close(a.scale, scale)
    torch.testing.assert_close(output.decoded, scale[..., None] * output.shapes + offset[..., None])


def test_the_head_of_method_1_goes_on_into_the_series(small: dict, class_text: ClassText) -> None:
    for method, reached in (("action_head", True), ("action_decoder", False)):
        model = build(small, class_text, method=method)
        model(series()).series.square().sum().backward()
        gradients = [p.grad for p in model.action.parameters()]
        assert any(g is not None and bool(g.any()) for g in gradients) == reached
