"""Shapes without a network: held windows, straight lines, and k-means that finds shapes set by hand."""

from __future__ import annotations

import pytest
import torch

from benchmarks.command_line import BenchmarkError
from benchmarks.quality import kmeans, metrics
from model.evaluation.metrics import fvu
from model.network.shapes import extract_pieces, normalise_pieces, stitch, straight_lines


def test_held_windows_cover_the_series_evenly() -> None:
    start, length = kmeans.held_windows(3, 5)
    assert start.shape == length.shape == (3, 5)
    assert start[1].tolist() == pytest.approx([0, 0.15, 0.3, 0.45, 0.6])
    assert (start + length)[2].tolist() == pytest.approx([0.4, 0.55, 0.7, 0.85, 1])
    assert [float(each) for each in kmeans.held_windows(1, 1)] == [0, 1]


def test_two_lines_draw_every_straight_line() -> None:
    x = torch.randn(4, 2, 64, generator=torch.Generator().manual_seed(0)).cumsum(-1)
    drawn = kmeans.draw_pieces(x, kmeans.line_shapes(16), 8)
    start, length = kmeans.held_windows(8, 8)
    pieces = extract_pieces(x.flatten(0, 1), start, length, 16)
    expected = straight_lines(pieces)
    found = drawn.scale[..., None] * drawn.shapes[drawn.codes] + drawn.offset[..., None]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    measured = metrics.measure(metrics.drawn_by_shapes(kmeans.line_shapes(16), x, 8))
    lines = stitch(expected, start, length, 64).series.view_as(x)
    assert measured["stitch_fvu"] == pytest.approx(float(fvu(x, lines)), rel=1e-4)
    assert measured["line_fvu"] == pytest.approx(measured["stitch_fvu"], rel=1e-4)
    assert measured["shape_skill"] == pytest.approx(0, abs=1e-4)
    assert "series_fvu" not in measured


def test_kmeans_finds_the_shapes_that_the_pieces_are_made_of() -> None:
    u = torch.linspace(0, 1, 65)
    made = normalise_pieces(torch.stack([torch.sin(6.283185 * u), torch.sin(2 * 6.283185 * u), 4 * u * (1 - u)])).shape
    generator = torch.Generator().manual_seed(0)
    which = torch.arange(60) % 3
    scale = 0.5 + torch.rand(60, 1, generator=generator)
    x = made[which] * scale + torch.randn(60, 1, generator=generator)
    drawn = kmeans.kmeans_of_pieces(x.view(30, 2, 65), tokens=1, codes=3, seed=0, samples=65)
    assert drawn.codes.shape == drawn.offset.shape == drawn.scale.shape == (60, 1)
    torch.testing.assert_close(drawn.shapes[drawn.codes[:, 0]], made[which], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(drawn.scale, scale, atol=1e-3, rtol=1e-3)
    rebuilt = drawn.scale[..., None] * drawn.shapes[drawn.codes] + drawn.offset[..., None]
    torch.testing.assert_close(rebuilt[:, 0], x, atol=1e-3, rtol=1e-3)


def test_other_recordings_are_drawn_by_the_shape_that_fits_best_and_never_upside_down() -> None:
    x = torch.randn(3, 2, 64, generator=torch.Generator().manual_seed(1)).cumsum(-1)
    shapes = normalise_pieces(torch.randn(5, 16, generator=torch.Generator().manual_seed(2))).shape
    drawn = kmeans.draw_pieces(x, shapes, 8)
    pieces = extract_pieces(x.flatten(0, 1), *kmeans.held_windows(6, 8), 16)
    for series in range(6):
        for token in range(8):
            piece = pieces[series, token]
            fits = [max(0.0, float(shape @ (piece - piece.mean())) / 16) for shape in shapes]
            errors = [
                float((fit * shape + piece.mean() - piece).square().sum())
                for fit, shape in zip(fits, shapes, strict=True)
            ]
            chosen = int(drawn.codes[series, token])
            assert errors[chosen] == pytest.approx(min(errors), rel=1e-4)
            assert float(drawn.scale[series, token]) == pytest.approx(fits[chosen], abs=1e-4)


def test_the_seed_decides_and_too_few_pieces_are_named() -> None:
    x = torch.randn(4, 2, 64, generator=torch.Generator().manual_seed(0)).cumsum(-1)
    first, again = (kmeans.kmeans_of_pieces(x, 8, 6, seed=0) for _ in range(2))
    assert torch.equal(first.shapes, again.shapes)
    assert not torch.equal(first.shapes, kmeans.kmeans_of_pieces(x, 8, 6, seed=1).shapes)
    with pytest.raises(BenchmarkError, match="64 pieces are too few for 65 shapes; ask for fewer codes"):
        kmeans.kmeans_of_pieces(x, 8, 65, seed=0)
