from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model.checkpoint import CheckpointError, load_model
from model.codebook.decoding import decode_by_table
from model.configuration.reading import Configuration, ConfigurationError
from model.evaluation.evaluate import collect, evaluate
from model.evaluation.names import METRICS
from model.network.alignment import ClassText
from model.network.batch import Batch
from model.network.building import build_model, longest_window
from model.network.channels import (
    SMALL_EMBEDDING_SCALE,
    FusedChannels,
    IndependentChannels,
    SeparateChannels,
    per_series,
    per_token,
)
from model.network.heads import kl_divergence
from model.network.shape_action import ShapeActionNetwork
from model.training.losses import loss_terms
from model.training.run import ShapeActionRun

CHANNELS = 3
QUICKLY = {
    "epochs": 50,
    "training": {"batch_size": 2, "learning_rate": 4e-3, "roll": 0.0},
}  # half the time of 150 as usual


@pytest.fixture
def fused(small: dict) -> dict:
    return small | {"architecture": small["architecture"] | {"channels": "fused"}}


@pytest.fixture
def model(fused: dict, class_text: ClassText) -> ShapeActionNetwork:
    return build_model(Configuration(**fused), class_text, CHANNELS).eval()


def recordings(n: int, seed: int = 0, channels: int = CHANNELS) -> Batch:
    """Sines whose frequency says the class; the channels are turned against each other."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 3
    phase = torch.rand(n, 1, 1, generator=generator) * 6.28 + torch.arange(channels)[:, None]
    x = torch.sin(6.28 * (2.0 * y[:, None, None] + 1.5) * torch.linspace(0, 1, 64) + phase)
    x = x + 0.05 * torch.randn(x.shape, generator=generator)
    return Batch((x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True), y)


def run_of(values: dict, text: ClassText) -> ShapeActionRun:
    return ShapeActionRun(Configuration(**values), recordings(12), recordings(6, 1), text, {"classes": ["a", "b", "c"]})


def test_what_a_token_says_of_its_channels_goes_to_their_series_and_back() -> None:
    values = torch.randn(2, 5, 3 * 4)
    split = per_series(values, 3)
    for recording in range(2):
        for token in range(5):
            for channel in range(3):
                expected = values[recording, token, 4 * channel : 4 * channel + 4]
                torch.testing.assert_close(split[3 * recording + channel, token], expected, rtol=0, atol=0)
    torch.testing.assert_close(per_token(split, 3), values, rtol=0, atol=0)
    torch.testing.assert_close(per_series(values, 1), values, rtol=0, atol=0)


def test_a_row_looks_at_all_channels_with_their_embeddings_and_starts_from_their_mean() -> None:
    channels, embedded, near = FusedChannels(3, 8), torch.randn(6, 4, 8), torch.randn(6, 5, 8)
    row = torch.cat([embedded[3 + c] + channels.embedding[c] for c in range(3)])
    torch.testing.assert_close(channels.gather(embedded)[1], row)
    torch.testing.assert_close(channels.pool(near)[1], near[3:].mean(0))
    assert IndependentChannels().gather(embedded) is embedded
    assert IndependentChannels().pool(near) is near


def test_separate_channels_are_told_which_they_are_and_what_the_others_do() -> None:
    channels, values = SeparateChannels(3, 8), torch.randn(6, 4, 8)
    assert 0.3 * SMALL_EMBEDDING_SCALE < float(channels.embedding.detach().std()) < 3 * SMALL_EMBEDDING_SCALE
    for told in (channels.gather(values), channels.pool(values)):
        for series in range(6):
            torch.testing.assert_close(told[series], values[series] + channels.embedding[series % 3])
    with torch.no_grad():
        channels.mixture.copy_(torch.randn(8, 24))
    told = channels.pool(values)
    for series in range(6):
        recording = values[3 * (series // 3) : 3 * (series // 3) + 3]
        meanwhile = sum(recording[c] @ channels.mixture[:, 8 * c : 8 * c + 8].T for c in range(3))
        torch.testing.assert_close(told[series], values[series] + channels.embedding[series % 3] + meanwhile)


@pytest.mark.parametrize("kind", ["independent", "separate"])
def test_the_same_movement_in_another_channel_is_another_token_unless_channels_are_independent(
    small: dict, class_text: ClassText, kind: str
) -> None:
    architecture = small["architecture"] | {"channels": kind}
    model = build_model(Configuration(**small | {"architecture": architecture}), class_text, CHANNELS).eval()
    x = recordings(2, channels=1).x.expand(-1, CHANNELS, -1)
    tokens = model(x.flatten(0, 1)).tokens
    assert torch.allclose(tokens[0], tokens[1], atol=1e-6) == (kind == "independent")


@pytest.mark.parametrize("method", ["action_head", "action_decoder"])
def test_one_fused_channel_is_a_separate_one(small: dict, fused: dict, class_text: ClassText, method: str) -> None:
    alone = build_model(Configuration(**small | {"method": method}), class_text).eval()
    together = build_model(Configuration(**fused | {"method": method}), class_text, 1).eval()
    together.load_state_dict(alone.state_dict())
    # What it would be if its one channel were fused, told apart from no other.
    together.to_tokens.channels = FusedChannels(1, 16)
    torch.nn.init.zeros_(together.to_tokens.channels.embedding)
    x = recordings(4, channels=1).x.flatten(0, 1)
    first, second = alone(x), together(x)
    for a, b in zip((*first.attributes, *first.quantized), (*second.attributes, *second.quantized), strict=True):
        torch.testing.assert_close(a, b)
    for name in ("tokens", "shapes", "decoded", "series", "log_q"):
        torch.testing.assert_close(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize("method", ["action_head", "action_decoder"])
def test_shapes_of_all_outputs(fused: dict, class_text: ClassText, method: str) -> None:
    model = build_model(Configuration(**fused | {"method": method}), class_text, CHANNELS).eval()
    output = model(recordings(4).x.flatten(0, 1))
    assert output.tokens.shape == (4, 8, 16)
    assert output.quantized.indices.shape == (4, 8)
    assert output.attributes.z.shape == output.quantized.code.shape == (4, 8, 4)
    assert output.log_q.shape == (4, 8, 5)
    assert output.shapes.shape == output.decoded.shape == (12, 8, 16)
    assert output.series.shape == (12, 64)
    assert all(part.shape == (12, 8) for part in output.attributes[1:])


def test_channels_of_a_recording_share_windows_and_codes_but_not_shapes_and_levels(model: ShapeActionNetwork) -> None:
    output = model(recordings(4).x.flatten(0, 1))
    for part in (output.attributes.start, output.attributes.length):
        assert torch.equal(part[0::3], part[1::3])
        assert torch.equal(part[0::3], part[2::3])
    for part in (output.attributes.offset, output.attributes.scale):
        assert not torch.allclose(part[0::3], part[1::3])
    for recording in range(4):
        for token in range(8):
            drawn = model.shapes.layers(output.quantized.code[recording, token]).unflatten(-1, (3, 16))
            expected = (drawn - drawn.mean(-1, keepdim=True)) / (
                drawn.var(-1, correction=0, keepdim=True) + 1e-5
            ).sqrt()
            torch.testing.assert_close(output.shapes[3 * recording : 3 * recording + 3, token], expected)


def test_permuting_recordings_permutes_outputs(model: ShapeActionNetwork) -> None:
    x, order = recordings(4).x, torch.tensor([2, 0, 3, 1])
    first, second = model(x.flatten(0, 1)), model(x[order].flatten(0, 1))
    torch.testing.assert_close(first.tokens[order], second.tokens, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(first.log_q[order], second.log_q, atol=1e-5, rtol=1e-5)
    series = first.series.unflatten(0, (4, 3))[order].flatten(0, 1)
    torch.testing.assert_close(series, second.series, atol=1e-5, rtol=1e-5)


def test_a_token_sees_every_channel_of_its_recording_and_of_no_other(model: ShapeActionNetwork) -> None:
    x = recordings(3).x.requires_grad_()
    model(x.flatten(0, 1)).tokens[1, 4].square().sum().backward()
    seen = x.grad.abs().sum(-1)
    assert bool((seen[1] > 0).all())
    assert float(seen[0].max()) == float(seen[2].max()) == 0.0


@pytest.mark.parametrize("method", ["action_head", "action_decoder"])
def test_the_action_loss_reaches_encoder_and_channels(fused: dict, class_text: ClassText, method: str) -> None:
    model = build_model(Configuration(**fused | {"method": method}), class_text, CHANNELS)
    batch = recordings(3)
    output = model(batch.x.flatten(0, 1))
    p = model.teacher.mark(batch, *model.windows(output.attributes, 3))
    kl_divergence(p, output.log_q).mean().backward()
    handling = model.to_tokens.channels
    for parameter in (model.to_tokens.encoder.project.weight, handling.embedding, handling.mixture):
        assert parameter.grad is not None
        assert float(parameter.grad.abs().max()) > 0


def test_decoding_the_codebook_is_decoding_the_tokens(model: ShapeActionNetwork) -> None:
    z = model.attributes(model.to_tokens(recordings(4).x.flatten(0, 1)))[0].detach().requires_grad_()
    weights = torch.randn(4, 8, 3 * 16)
    gradients = []
    for form in ("direct", "table"):
        quantized = model.quantizer(z)
        shapes = (
            model.shapes(quantized.code)
            if form == "direct"
            else decode_by_table(model.shapes, quantized, model.quantizer.codes)
        )
        learnt = [z, model.quantizer.codes, *model.shapes.parameters()]
        gradients.append([shapes, *torch.autograd.grad((weights * shapes).sum(), learnt)])
    for direct, table in zip(*gradients, strict=True):
        torch.testing.assert_close(direct, table, atol=1e-5, rtol=1e-4)


def test_terms_that_depend_on_the_rows_are_those_of_a_loop(fused: dict, class_text: ClassText) -> None:
    configuration = Configuration(**fused | {"classify": "both"})
    model, batch = build_model(configuration, class_text, CHANNELS).eval(), recordings(5)
    output = model(batch.x.flatten(0, 1))
    terms = loss_terms(model, batch, output, longest_window(configuration), 0.1)
    kl, series = [], []
    start, length = model.windows(output.attributes, 5)
    for b in range(5):
        one = slice(b, b + 1)
        p = model.teacher.mark(batch.take(one), start[one], length[one])[0]
        kl += [torch.where(p > 0, p * (p.log() - output.log_q[b]), torch.zeros(())).sum(-1)]
        series += [((batch.x[b, c] - output.series[3 * b + c]) ** 2).mean() for c in range(3)]
    torch.testing.assert_close(terms.action, torch.cat(kl).mean())
    torch.testing.assert_close(terms.series, torch.stack(series).mean())
    assert model.classes is not None
    torch.testing.assert_close(terms.classification, model.classes(output.quantized.code, output.tokens, batch.y))


def test_all_metrics_are_measured(model: ShapeActionNetwork, fused: dict) -> None:
    train, held_out = recordings(9), recordings(6, 1)
    measured = evaluate(model, train, held_out, longest_window(Configuration(**fused)), 0.1)
    assert tuple(measured) == METRICS
    assert all(value == value and abs(value) < 1e9 for value in measured.values())
    seen = collect(model, held_out)
    assert seen.tokens.shape == (6, 8, 16)
    assert seen.indices.shape == (48,)
    assert seen.start.shape == (18, 8)
    whole = model(held_out.x.flatten(0, 1))
    # The first channel is constant where its mean is: FVU by hand from the model's own series.
    errors = ((held_out.x - whole.series.view_as(held_out.x)) ** 2).sum((0, 2))
    assert measured["series_fvu"] == pytest.approx(
        float((errors / (held_out.x**2).sum((0, 2))).mean().detach()), rel=1e-3
    )


@pytest.mark.slow
def test_a_fused_run_learns(fused: dict, class_text: ClassText) -> None:
    run = run_of(fused | QUICKLY, class_text)
    before = run.evaluate()
    for _ in range(50):
        run.train_epoch()
    after = run.evaluate()
    assert after["series_fvu"] < 0.6 < before["series_fvu"]
    assert after["shape_correlation"] > before["shape_correlation"] + 0.2
    assert after["text_accuracy"] == 1.0


@pytest.mark.slow
def test_a_fused_run_is_restored_and_exported_exactly(fused: dict, class_text: ClassText, tmp_path: Path) -> None:
    values = fused | {"training": {"batch_size": 4, "mask_fraction": 0.2}}
    whole = run_of(values, class_text)
    for _ in range(3):
        whole.train_epoch()
    whole.save(tmp_path)
    expected = [whole.train_epoch() for _ in range(3)] + [whole.evaluate()]
    again = run_of(values, class_text)
    again.restore(tmp_path)
    assert [again.train_epoch() for _ in range(3)] + [again.evaluate()] == expected
    again.export(tmp_path)
    fresh = run_of(values, class_text)
    tensors, _ = load_model(tmp_path / "model.safetensors", fresh.model)
    assert fresh.evaluate() == expected[-1]
    assert tensors["code_meanings"].shape == (6, 5)
    assert tensors["code_shapes"].shape == (6, CHANNELS, 16)
    other = build_model(Configuration(**values), class_text, CHANNELS + 1)
    with pytest.raises(CheckpointError, match=r"does not fit this configuration .*channels\.embedding"):
        load_model(tmp_path / "model.safetensors", other)


def test_wrong_channels_are_refused(model: ShapeActionNetwork, fused: dict, class_text: ClassText) -> None:
    with pytest.raises(ValueError, match=r"^7 series are no whole recordings of 3 channels$"):
        model(torch.randn(7, 64))
    message = r"^data: recordings of 2 channels and 64 samples, but the model is built for 3 channels and 64 samples$"
    with pytest.raises(ValueError, match=message):
        ShapeActionRun(Configuration(**fused), recordings(12), recordings(6, channels=2), class_text)
    with pytest.raises(ValueError, match=message):
        run_of(fused, class_text).evaluate(recordings(6, channels=2))


def test_series_of_another_length_are_refused(fused: dict, class_text: ClassText) -> None:
    with pytest.raises(
        ConfigurationError, match=r"architecture\.length: 64 is asked for, but the series have 60 samples"
    ):
        build_model(Configuration(**fused), class_text, CHANNELS, samples=60)
    native = fused | {"architecture": fused["architecture"] | {"length": "native"}}
    with pytest.raises(ConfigurationError, match=r"architecture\.length: native is known with the data alone"):
        build_model(Configuration(**native), class_text, CHANNELS)
    with pytest.raises(ConfigurationError, match=r"architecture\.tokens: 8 are more than the samples .* length 7"):
        build_model(Configuration(**native), class_text, CHANNELS, samples=7)
