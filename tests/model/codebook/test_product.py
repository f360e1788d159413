from __future__ import annotations

import pytest
import torch

from model.codebook.product import ProductQuantizer
from model.configuration.reading import Configuration, ConfigurationError, parse_configuration
from model.network.alignment import ClassText
from model.network.building import build_model


def test_a_pair_has_the_nearest_code_of_each_part() -> None:
    torch.manual_seed(0)
    quantizer, z = ProductQuantizer(12, 5, action_codes=4), torch.randn(30, 5)
    shapes, actions = (book.codes.detach() for book in quantizer.books)
    assert (shapes.shape, actions.shape) == ((3, 3), (4, 2))
    quantized = quantizer(z)
    for row, code, index in zip(z, quantized.code, quantized.indices, strict=True):
        s, a = int((shapes - row[:3]).norm(dim=-1).argmin()), int((actions - row[3:]).norm(dim=-1).argmin())
        assert int(index) == 4 * s + a
        torch.testing.assert_close(code, torch.cat([shapes[s], actions[a]]))


def test_dead_codes_of_each_part_move() -> None:
    """Nine shape codes are used alike but the last; action code 1 is never used."""
    torch.manual_seed(0)
    quantizer, z = ProductQuantizer(6, 4, action_codes=2), torch.randn(20, 4)
    before = quantizer.codes.detach().clone()
    usage = torch.tensor([[9, 0], [9, 0], [0, 0]])
    moved = quantizer.replace_dead_codes(usage.flatten(), z, 0.1, torch.Generator().manual_seed(0))
    assert moved.tolist() == [1, 3, 4, 5]
    after = quantizer.codes.detach()
    torch.testing.assert_close(after[[0, 2]], before[[0, 2]])
    assert float(torch.cdist(after[4:, :2], z[:, :2]).min(-1).values.max()) < 1e-6
    assert float(torch.cdist(after[1::2, 2:], z[:, 2:]).min(-1).values.max()) < 1e-6


def test_shapes_are_drawn_from_one_part_and_named_from_the_other(small: dict, class_text: ClassText) -> None:
    model = build_model(Configuration(**small | {"quantizer": "product", "action_codes": 2}), class_text, 2).eval()
    codes = model.quantizer.codes
    shapes, names = model.shapes(codes).view(3, 2, -1), model.action(codes).view(3, 2, -1)
    torch.testing.assert_close(shapes[:, 0], shapes[:, 1])
    torch.testing.assert_close(names[0], names[1])
    assert not torch.allclose(shapes[0], shapes[1])
    output = model(torch.randn(4, 64, generator=torch.Generator().manual_seed(0)))
    output.log_q.square().sum().backward()
    shape_book, action_book = model.quantizer.books
    assert shape_book.codes.grad is None or not bool(shape_book.codes.grad.any())
    assert bool(action_book.codes.grad.any())


@pytest.mark.parametrize(("codes", "asked", "found"), [(64, None, 8), (32, None, 4), (12, 6, 6), (6, None, 2)])
def test_how_many_codes_each_part_has(codes: int, asked: int | None, found: int) -> None:
    c = Configuration(vocabulary={}, quantizer="product", codebook_size=codes, action_codes=asked)
    assert c.codes_of_actions == found


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"action_codes": 4}, "action_codes: means something with quantizer product alone; leave it out"),
        ({"quantizer": "product", "codebook_size": 7}, "action_codes: a codebook_size of 7 has no two parts"),
        ({"quantizer": "product", "codebook_size": 16, "action_codes": 16}, "action_codes: 16 must divide"),
        ({"quantizer": "product", "codebook_size": 16, "action_codes": 3}, "action_codes: 3 must divide"),
        ({"quantizer": "product", "architecture": {"code_dim": 1}}, "architecture.code_dim: with quantizer product"),
        ({"quantizer": "product", "rotation_trick": True}, "rotation_trick: cannot be had with quantizer product"),
    ],
)
def test_what_cannot_be_divided_is_refused(values: dict, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration({"vocabulary": {}} | values)
    assert str(caught.value).startswith(message)
