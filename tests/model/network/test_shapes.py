from __future__ import annotations

import numpy as np
import pytest
import torch

from model.network.shapes import (
    ShapeDecoder,
    extract_pieces,
    fit_offset_scale,
    line_errors,
    normalise_pieces,
    normalised_shape_loss,
    shape_errors,
    shape_loss,
    stitch,
    straight_lines,
)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def windows(series: int, tokens: int, seed: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    length = draw(series, tokens, seed=seed).sigmoid() * 0.5 + 0.05
    return draw(series, tokens, seed=seed + 1).sigmoid() * (1 - length), length


def test_extracted_pieces_agree_with_numpy_interpolation() -> None:
    x = draw(2, 50)
    start, length = windows(2, 4)
    pieces = extract_pieces(x, start, length, 33)
    for i in range(2):
        for n in range(4):
            at = (float(start[i, n]) + float(length[i, n]) * np.linspace(0, 1, 33)) * 49
            np.testing.assert_allclose(pieces[i, n], np.interp(at, np.arange(50), x[i].numpy()), atol=1e-12)


def test_the_whole_window_is_the_series_itself() -> None:
    x = draw(2, 50)
    whole = extract_pieces(x, torch.zeros(2, 1).double(), torch.ones(2, 1).double(), 50)
    torch.testing.assert_close(whole[:, 0], x)


def test_extraction_is_differentiable_in_the_window() -> None:
    x = draw(1, 50)
    start, length = (w.requires_grad_() for w in windows(1, 3))
    assert torch.autograd.gradcheck(lambda t, length: extract_pieces(x, t, length, 9), (start, length))


def stitch_by_a_loop(shapes: np.ndarray, start: np.ndarray, length: np.ndarray, samples: int) -> tuple:
    total, count = np.zeros(samples), np.zeros(samples)
    for n in range(len(start)):
        for tau in range(samples):
            inside = (tau / (samples - 1) - start[n]) / length[n]
            if -1e-12 <= inside <= 1 + 1e-6:
                total[tau] += np.interp(inside, np.linspace(0, 1, shapes.shape[1]), shapes[n])
                count[tau] += 1
    return np.divide(total, count, out=np.zeros(samples), where=count > 0), count > 0


@pytest.mark.parametrize("longest", [0.56, 1.0])
def test_stitching_agrees_with_a_loop_over_samples(longest: float) -> None:
    shapes = draw(3, 4, 17)
    start, length = windows(3, 4)
    stitched = stitch(shapes, start, length, 60, longest)
    for i in range(3):
        series, covered = stitch_by_a_loop(shapes[i].numpy(), start[i].numpy(), length[i].numpy(), 60)
        np.testing.assert_allclose(stitched.series[i], series, atol=1e-9)
        np.testing.assert_array_equal(stitched.covered[i], covered)


def test_stitching_true_pieces_gives_a_piecewise_linear_series_back() -> None:
    x = torch.linspace(-1, 1, 65, dtype=torch.float64)[None]
    start, length = torch.tensor([[0.0, 0.5]]).double(), torch.tensor([[0.5, 0.5]]).double()
    stitched = stitch(extract_pieces(x, start, length, 20), start, length, 65)
    torch.testing.assert_close(stitched.series, x)
    assert bool(stitched.covered.all())


def test_uncovered_samples_are_0_and_marked() -> None:
    ones, start, length = torch.ones(1, 1, 8), torch.tensor([[0.25]]), torch.tensor([[0.5]])
    stitched = stitch(ones, start, length, 41)
    assert stitched.series[0].tolist() == [0.0] * 10 + [1.0] * 21 + [0.0] * 10
    assert stitched.covered[0].tolist() == [False] * 10 + [True] * 21 + [False] * 10


def test_stitching_does_not_depend_on_the_order_of_tokens() -> None:
    shapes = draw(1, 4, 17)
    start, length = windows(1, 4)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(
        stitch(shapes, start, length, 60).series,
        stitch(shapes[:, order], start[:, order], length[:, order], 60).series,
    )


def test_stitching_is_differentiable_in_shapes_and_windows() -> None:
    shapes = draw(1, 3, 9).requires_grad_()
    start, length = (w.requires_grad_() for w in windows(1, 3))
    assert torch.autograd.gradcheck(
        lambda s, t, length: stitch(s, t, length, 23).series, (shapes, start, length), eps=1e-7
    )


def test_normalised_pieces_have_mean_0_and_variance_1_and_give_the_piece_back() -> None:
    pieces = 3 * draw(2, 4, 30) + 5
    shape, offset, scale = normalise_pieces(pieces)
    torch.testing.assert_close(shape.mean(-1), torch.zeros(2, 4).double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(shape.square().mean(-1), torch.ones(2, 4).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(scale[..., None] * shape + offset[..., None], pieces)


def test_a_constant_piece_has_shape_0_and_no_bad_gradient() -> None:
    piece = torch.ones(1, 1, 8, requires_grad=True)
    shape, _, _ = normalise_pieces(piece)
    shape.sum().backward()
    assert shape.abs().max() == 0
    assert piece.grad is not None
    assert bool(piece.grad.isfinite().all())


def test_shape_loss_is_the_mean_squared_error() -> None:
    a, b = draw(2, 3, 8), draw(2, 3, 8, seed=1)
    assert float(shape_loss(a, b)) == pytest.approx(np.mean((a.numpy() - b.numpy()) ** 2))


def test_normalised_shape_loss_is_2_minus_2_rho_weighted_by_length_and_scale() -> None:
    pieces, length = 3 * draw(2, 3, 40), draw(2, 3, seed=2).sigmoid()
    shapes = normalise_pieces(draw(2, 3, 40, seed=1)).shape
    expected = weights = 0.0
    for i in range(2):
        for n in range(3):
            weight = float(length[i, n]) * pieces[i, n].numpy().std()
            expected += weight * 2 * (1 - np.corrcoef(shapes[i, n], pieces[i, n])[0, 1])
            weights += weight
    loss = normalised_shape_loss(shapes, normalise_pieces(pieces), length)
    assert float(loss) == pytest.approx(expected / weights, abs=1e-6)


def test_normalised_shape_loss_keeps_its_gradient_where_the_scale_is_0() -> None:
    """The lock that the plain loss falls into: at σ = 0 its gradient to the shape is 0."""
    shapes = normalise_pieces(draw(1, 2, 16)).shape.requires_grad_()
    pieces = draw(1, 2, 16, seed=1)
    (plain,) = torch.autograd.grad(shape_loss(0.0 * shapes, pieces), shapes)
    loss = normalised_shape_loss(shapes, normalise_pieces(pieces), torch.ones(1, 2).double())
    (normalised,) = torch.autograd.grad(loss, shapes)
    assert plain.abs().max() == 0
    assert normalised.abs().max() > 1e-3


def test_decoded_shapes_are_normalised() -> None:
    shapes = ShapeDecoder(4, 32, 16)(torch.randn(5, 4, generator=torch.Generator().manual_seed(0)))
    assert shapes.shape == (5, 32)
    torch.testing.assert_close(shapes.mean(-1), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(shapes.square().mean(-1), torch.ones(5), atol=1e-2, rtol=0)


def test_offset_and_scale_are_the_best_that_there_are_with_a_scale_of_0_or_more() -> None:
    shapes, pieces = draw(3, 4, 16), draw(3, 4, 16, seed=1)
    shapes = shapes - shapes.mean(-1, keepdim=True)
    offset, scale = fit_offset_scale(shapes, pieces)
    found = []
    for i in range(3):
        for n in range(4):
            s, piece = shapes[i, n].numpy(), pieces[i, n].numpy()
            (sigma, _), *_ = np.linalg.lstsq(np.stack([s, np.ones(16)], axis=1), piece, rcond=None)
            assert float(scale[i, n]) == pytest.approx(max(0.0, sigma), abs=1e-12)
            assert float(offset[i, n]) == pytest.approx(piece.mean())
            found.append(sigma > 0)
    assert any(found)
    assert not all(found)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_error_of_a_code_is_that_of_its_shape_at_its_best(channels: int) -> None:
    table, pieces = draw(5, channels * 8), draw(4, 3, 8, seed=1)
    table = table.view(5, channels, 8)
    table = (table - table.mean(-1, keepdim=True)).flatten(1)
    errors = shape_errors(table, pieces, channels)
    assert errors.shape == (4 // channels, 3, 5)
    for row in range(4 // channels):
        for n in range(3):
            for j in range(5):
                expected = 0.0
                for c in range(channels):
                    shape, piece = table[j].view(channels, 8)[c], pieces[row * channels + c, n]
                    offset, scale = fit_offset_scale(shape, piece)
                    expected += float((piece - scale * shape - offset).square().mean()) / channels
                assert float(errors[row, n, j]) == pytest.approx(expected)


def test_straight_lines_are_those_of_least_squares() -> None:
    pieces = draw(3, 2, 9)
    lines, u = straight_lines(pieces), np.arange(9.0)
    for piece, line in zip(pieces.flatten(0, 1), lines.flatten(0, 1), strict=True):
        np.testing.assert_allclose(line, np.polyval(np.polyfit(u, piece.numpy(), 1), u), atol=1e-12)
    torch.testing.assert_close((pieces - lines).square().sum(-1), line_errors(pieces))
