from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from model.codebook.decoding import code_jacobians, decode, decode_by_table, multiply_by_code, table_pays
from model.codebook.quantizer import Quantized
from model.configuration.reading import Configuration
from model.network import shape_action
from model.network.alignment import ClassText
from model.network.batch import Batch
from model.network.heads import ActionDecoder
from model.network.shapes import ShapeDecoder
from model.training.losses import loss_terms, total_loss
from model.training.run import ShapeActionRun

CODES, DIM = 6, 3
QUANTIZERS = ["synchronised", "straight_through", "ema", "sim_vq", "fsq", "product"]
MOVED_BY_THE_TASK = {"synchronised", "fsq", "product"}
Decode = Callable[[nn.Module, Quantized, Tensor], Tensor]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> None:
    """The action decoder raises its logits to float32; here to float64."""
    monkeypatch.setattr(Tensor, "float", Tensor.double)


@pytest.fixture(params=["shape", "action"])
def decoder(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(1)
    made = ShapeDecoder(DIM, 10, 8) if request.param == "shape" else ActionDecoder(DIM, 5, 8)
    return made.double()


@pytest.fixture(params=[(name, False) for name in QUANTIZERS] + [(name, True) for name in QUANTIZERS[:4]], ids=str)
def quantizer(request: pytest.FixtureRequest, quantizer_of: Callable[..., nn.Module]) -> nn.Module:
    name, rotation = request.param
    made = quantizer_of(name, CODES, DIM, rotation_trick=rotation).double()
    made.init_codes(draw(200, DIM, seed=9), seed=0)
    return made


def tokens(which: str, codes: Tensor) -> Tensor:
    """Encoder outputs `(4, 6, code_dim)`; which codes they choose is what the name says."""
    if which == "one code for all":
        return codes[2].detach() + 1e-3 * draw(4, 6, DIM)
    if which == "unused codes":
        return codes[torch.arange(24).view(4, 6) % 3].detach() + 1e-3 * draw(4, 6, DIM)
    if which == "equal tokens":
        return draw(1, 6, DIM).repeat(4, 1, 1)
    return draw(4, 6, DIM)


def direct(decoder: nn.Module, quantized: Quantized, codes: Tensor) -> Tensor:
    return decoder(quantized.code)


def gradients(how: Decode, decoder: nn.Module, quantizer: nn.Module, z: Tensor) -> list[Tensor]:
    """Loss, values, gradients of encoder output, quantizer and decoder; the loss is no sum over tokens alone."""
    z = z.clone().requires_grad_()
    quantized = quantizer(z)
    values = how(decoder, quantized, quantizer.codes)
    weight = draw(*values.shape, seed=4)
    loss = (values * weight).sum() + (values.square().mean((0, 1)) * weight[0, 0]).sum().exp()
    wanted = [z, *quantizer.parameters(), *decoder.parameters()]
    found = torch.autograd.grad(loss, wanted, allow_unused=True)
    return [loss, values, *(torch.zeros_like(w) if g is None else g for w, g in zip(wanted, found, strict=True))]


def assert_same(first: list[Tensor], second: list[Tensor], tolerance: float = 1e-9) -> None:
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("which", ["any", "unused codes", "one code for all", "equal tokens"])
def test_the_table_gives_the_loss_and_gradients_of_decoding_every_token(
    request: pytest.FixtureRequest, decoder: nn.Module, quantizer: nn.Module, which: str
) -> None:
    z = tokens(which, quantizer.codes)
    expected = gradients(direct, decoder, quantizer, z)
    found = gradients(decode_by_table, decoder, quantizer, z)
    assert all(value.dtype == torch.float64 for value in found)
    assert_same(found, expected)
    assert float(found[2].abs().max()) > 1e-3
    of_codes = found[3 : 3 + len(list(quantizer.parameters()))]
    name, _ = request.node.callspec.params["quantizer"]
    assert any(bool(gradient.any()) for gradient in of_codes) == (name in MOVED_BY_THE_TASK)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("name", ["synchronised", "straight_through", "ema"])
def test_equal_codes_in_the_book(decoder: nn.Module, quantizer_of: Callable[..., nn.Module], name: str) -> None:
    quantizer = quantizer_of(name, CODES, DIM).double()
    quantizer.codes.data[4] = quantizer.codes.data[1]
    z = tokens("any", quantizer.codes)
    assert_same(gradients(decode_by_table, decoder, quantizer, z), gradients(direct, decoder, quantizer, z))


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("frozen", ["decoder", "encoder"])
def test_what_is_frozen_gets_no_gradient_and_the_rest_keeps_its_own(
    decoder: nn.Module, quantizer: nn.Module, frozen: str
) -> None:
    z = tokens("any", quantizer.codes).requires_grad_(frozen == "decoder")
    decoder.requires_grad_(frozen == "encoder")
    learnt = [p for p in [z, *quantizer.parameters(), *decoder.parameters()] if p.requires_grad]
    both = []
    for how in (decode_by_table, direct):
        loss = how(decoder, quantizer(z), quantizer.codes).square().sum(-1).square().sum()
        both.append(torch.autograd.grad(loss, learnt, allow_unused=True, materialize_grads=True))
    assert_same(list(both[0]), list(both[1]))


def test_a_gradient_that_was_computed_can_be_accumulated(decoder: nn.Module, quantizer: nn.Module) -> None:
    """Two backward passes through one graph, as `retain_graph` allows, add up."""
    z = tokens("any", quantizer.codes).requires_grad_()
    loss = decode_by_table(decoder, quantizer(z), quantizer.codes).square().sum()
    loss.backward(retain_graph=True)
    assert z.grad is not None
    once = z.grad.clone()
    loss.backward()
    torch.testing.assert_close(z.grad, 2 * once)


def test_without_gradients_nothing_is_recorded(decoder: nn.Module, quantizer: nn.Module) -> None:
    z = tokens("any", quantizer.codes)
    with torch.no_grad():
        quantized = quantizer(z)
        values = decode_by_table(decoder, quantized, quantizer.codes)
        assert not values.requires_grad
        torch.testing.assert_close(values, decoder(quantized.code))


def test_inside_mixed_precision_what_is_decoded_outside_of_it_stays_exact(
    decoder: nn.Module, quantizer: nn.Module
) -> None:
    decoder, quantizer = decoder.float(), quantizer.float()
    z = tokens("any", quantizer.codes).float().requires_grad_()
    quantized = quantizer(z)  # its own way back to z is not what is tested
    expected = decoder(quantized.code)
    weight = draw(*expected.shape, seed=4).float()
    wanted = torch.autograd.grad((expected * weight).sum(), quantized.code)
    with torch.autocast("cpu", torch.bfloat16):
        with torch.autocast("cpu", enabled=False):
            values = decode_by_table(decoder, quantized, quantizer.codes)
        found = torch.autograd.grad(
            (values * weight).sum(), quantized.code
        )  # started inside, as a careless caller would
    assert_same([values, *found], [expected, *wanted], 1e-5)


def test_a_second_derivative_is_refused(quantizer: nn.Module) -> None:
    z = tokens("any", quantizer.codes).requires_grad_()
    values = decode_by_table(ShapeDecoder(DIM, 10, 8).double(), quantizer(z), quantizer.codes)
    (first,) = torch.autograd.grad(values.square().sum(), z, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_changing_the_decoder_before_the_backward_pass_is_refused(quantizer: nn.Module) -> None:
    z = tokens("any", quantizer.codes).requires_grad_()
    decoder = ShapeDecoder(DIM, 10, 8).double()
    loss = decode_by_table(decoder, quantizer(z), quantizer.codes).square().sum()
    with torch.no_grad():
        decoder.layers[0].bias.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(loss, z)


def test_jacobians_are_those_of_finite_differences(decoder: nn.Module) -> None:
    if isinstance(decoder, ActionDecoder):
        decoder = decoder.layers  # the decoder itself ends in float32
    codes, step = draw(CODES, DIM, seed=9), 1e-6
    found = code_jacobians(decoder, codes)
    with torch.no_grad():
        for k in range(DIM):
            move = step * torch.eye(DIM, dtype=torch.float64)[k]
            expected = (decoder(codes + move) - decoder(codes - move)) / (2 * step)
            torch.testing.assert_close(found[:, :, k], expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("count", [0, 1, 5, 64, 700])
@pytest.mark.parametrize("codes", [1, 2, 50])
def test_rows_are_multiplied_by_the_matrix_of_their_code(count: int, codes: int) -> None:
    generator = torch.Generator().manual_seed(count)
    even = torch.randint(codes, (count,), generator=generator)
    rows, matrices = draw(count, 4, seed=1), draw(codes, 4, 3, seed=2)
    for index in (even, torch.zeros_like(even), torch.full_like(even, codes - 1), even // 2):
        expected = torch.stack([r @ matrices[i] for r, i in zip(rows, index, strict=True)]) if count else draw(0, 3)
        torch.testing.assert_close(multiply_by_code(rows, index, matrices), expected, rtol=1e-12, atol=1e-12)


def test_a_permutation_of_the_tokens_permutes_their_gradients() -> None:
    index = torch.randint(5, (40,), generator=torch.Generator().manual_seed(0))
    rows, matrices = draw(40, 4, seed=1), draw(5, 4, 3, seed=2)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        multiply_by_code(rows[order], index[order], matrices), multiply_by_code(rows, index, matrices)[order]
    )


def quantized_of(count: int, codes: Tensor) -> Quantized:
    index = torch.arange(count) % len(codes)
    return Quantized(codes[index], index, torch.zeros(()))


@pytest.mark.parametrize(
    ("which", "codes", "count", "pays"),
    [
        ("shape", 16, 1536, False),
        ("shape", 16, 6144, True),
        ("shape", 512, 6144, False),
        ("shape", 512, 15360, True),
        ("action", 16, 4096, False),
        ("action", 16, 6144, True),
        ("action", 512, 10240, False),
        ("action", 512, 20000, True),
    ],
)
def test_the_table_is_used_in_training_where_it_was_measured_to_pay(
    which: str, codes: int, count: int, pays: bool
) -> None:
    decoder = ShapeDecoder(16, 64, 128) if which == "shape" else ActionDecoder(16, 12)
    book = torch.zeros(codes, 16)
    assert table_pays(decoder, quantized_of(count, book), book) == pays


@torch.no_grad()
def test_the_table_is_used_without_gradients_when_codes_are_fewer_than_tokens() -> None:
    decoder, small, large = ActionDecoder(16, 12), torch.zeros(16, 16), torch.zeros(512, 16)
    assert table_pays(decoder, quantized_of(1536, small), small)
    assert not table_pays(decoder, quantized_of(512, large), large)


def test_before_quantization_every_token_is_decoded() -> None:
    decoder = nn.Linear(2, 3)
    z = torch.randn(5000, 2, generator=torch.Generator().manual_seed(0))
    quantized = Quantized(z, torch.zeros(5000, dtype=torch.long), torch.zeros(()))
    with torch.no_grad():
        assert table_pays(decoder, quantized, torch.zeros(4, 2))
        torch.testing.assert_close(decode(decoder, quantized, None), decoder(z), rtol=0, atol=0)


def recordings() -> Batch:
    x = torch.randn(12, 2, 64, generator=torch.Generator().manual_seed(0))
    return Batch(x, torch.arange(12) % 3)


def quantizing_run(configuration: Configuration, text: ClassText) -> ShapeActionRun:
    run = ShapeActionRun(configuration, recordings(), recordings(), text)
    while not run.quantizes:
        run.train_epoch()
    run.train_epoch()
    return run


@pytest.mark.parametrize("method", ["action_head", "action_decoder"])
@pytest.mark.parametrize("name", QUANTIZERS)
def test_a_training_step_is_the_same_with_and_without_the_table(
    small: dict, class_text: ClassText, monkeypatch: pytest.MonkeyPatch, method: str, name: str
) -> None:
    c = Configuration(**small | {"method": method, "quantizer": name, "classify": "both"})
    run = quantizing_run(c, class_text)
    monkeypatch.setattr(Tensor, "float", Tensor.double)
    model_, batch = run.model.double(), Batch(recordings().x.double(), recordings().y)
    found = []
    for how in (decode_by_table, direct):
        monkeypatch.setattr(shape_action, "decode", how)
        model_.zero_grad(set_to_none=True)
        output = model_(batch.x.flatten(0, 1))
        parts = loss_terms(model_, batch, output, run.longest, c.alignment.contrastive_temperature)
        loss = total_loss(parts, c.losses, c.action_weight)
        loss.backward()
        grads = {name: p.grad for name, p in model_.named_parameters() if p.grad is not None}
        assert output.shapes.shape == (24, 8, 16)
        assert output.log_q.shape == (24, 8, 5)
        found.append((loss.detach(), grads))
    assert found[0][1].keys() == found[1][1].keys()
    assert "to_tokens.encoder.project.weight" in found[0][1]
    assert any(key.startswith("quantizer.") for key in found[0][1]) == (name != "ema")
    assert_same([found[0][0], *found[0][1].values()], [found[1][0], *found[1][1].values()])


@pytest.mark.slow
def test_training_by_table_repeats_itself_and_restores_from_what_the_direct_form_saved(
    configuration: Configuration, class_text: ClassText, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = quantizing_run(configuration, class_text)
    plain.save(tmp_path)
    continued = plain.train_epoch()

    def by_table(decoder: nn.Module, quantized: Quantized, codes: Tensor | None) -> Tensor:
        return decoder(quantized.code) if codes is None else decode_by_table(decoder, quantized, codes)

    monkeypatch.setattr(shape_action, "decode", by_table)
    states, losses = [], []
    for _ in range(2):
        run = ShapeActionRun(configuration, recordings(), recordings(), class_text)
        run.restore(tmp_path)
        losses.append([run.train_epoch() for _ in range(2)])
        states.append(run.model.state_dict())
    assert losses[0] == losses[1]
    assert states[0].keys() == plain.model.state_dict().keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert losses[0][0] == pytest.approx(continued, rel=1e-3, abs=1e-4)
