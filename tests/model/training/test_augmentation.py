from __future__ import annotations

import numpy as np
import pytest
import torch

from model.network.batch import Batch
from model.training.augmentation import CUT_SHARE, SMALLEST_SCALE, random_crop


def crop(x: torch.Tensor, most: float) -> torch.Tensor:
    return random_crop(Batch(x, torch.zeros(len(x), dtype=torch.long, device=x.device)), most, generator()).x


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_cut_is_the_series_between_two_drawn_places_interpolated_and_normalised() -> None:
    x = torch.randn(9, 3, 40, generator=generator(1), dtype=torch.float64)
    cut = crop(x, 0.6)
    draw = generator()
    chosen = torch.rand(9, generator=draw) < 0.5
    kept = 1 - 0.6 * torch.rand(9, 1, generator=draw)
    first = (1 - kept) * torch.rand(9, 1, generator=draw)
    assert 0 < chosen.sum() < 9
    assert torch.equal(cut[~chosen], x[~chosen])
    for recording in chosen.nonzero().flatten().tolist():
        begin, length = float(first[recording]) * 39, float(kept[recording]) * 39
        assert begin >= 0
        assert begin + length <= 39 + 1e-4
        places = np.linspace(begin, begin + length, 40)
        for channel in range(3):
            piece = np.interp(places, np.arange(40), x[recording, channel].numpy())
            expected = (piece - piece.mean()) / piece.std()
            np.testing.assert_allclose(cut[recording, channel].numpy(), expected, atol=2e-5)


def test_half_are_cut_and_the_share_cut_off_is_even_up_to_the_largest() -> None:
    ramp = torch.linspace(-1, 1, 101, dtype=torch.float64)
    # A ramp keeps its slope, so the deviation of a cut is its share of the whole's; below the smallest scale, by
    # which it is then divided, it is not normalised away.
    ramp = ramp / ramp.std(correction=0) * 0.9 * SMALLEST_SCALE
    deviation = crop(ramp.expand(8000, 1, 101), 0.25).std(-1, correction=0).flatten()
    cut = deviation > SMALLEST_SCALE
    assert abs(float(cut.double().mean()) - CUT_SHARE) < 0.02
    quantiles = torch.quantile(deviation[cut] / 0.9, torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0], dtype=torch.float64))
    expected = torch.tensor([0.75, 0.8125, 0.875, 0.9375, 1.0], dtype=torch.float64)
    torch.testing.assert_close(quantiles, expected, atol=0.01, rtol=0)


def test_nothing_is_cut_and_nothing_drawn_at_zero() -> None:
    batch, source = Batch(torch.randn(2, 2, 16), torch.zeros(2, dtype=torch.long)), generator()
    state = source.get_state()
    assert random_crop(batch, 0.0, source) is batch
    assert torch.equal(source.get_state(), state)


def test_a_cut_without_movement_is_not_blown_up() -> None:
    x = torch.zeros(1, 2, 200)
    x[0, 0, -1] = 10.0  # all movement lies in one sample that nearly every cut leaves out
    x[0, 1] = 1e-3 * torch.sin(torch.arange(200.0))
    cut = crop(x, 0.5)
    assert torch.isfinite(cut).all()
    assert cut[0, 1].abs().max() <= 1e-3 / SMALLEST_SCALE + 1e-6


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_device_does_not_change_the_cut() -> None:
    x = torch.randn(3, 2, 64)
    torch.testing.assert_close(crop(x.cuda(), 0.3).cpu(), crop(x, 0.3))


def test_a_cut_has_the_level_of_its_piece() -> None:
    recorded = 5.0 + 3.0 * torch.randn(9, 3, 40, generator=generator(1), dtype=torch.float64).cumsum(-1)
    level = torch.stack([recorded.mean(-1), recorded.std(-1, correction=0)], dim=-1)
    x = (recorded - level[..., :1]) / level[..., 1:]
    cut = random_crop(Batch(x, torch.zeros(9, dtype=torch.long), level), 0.6, generator())
    assert cut.level is not None
    as_recorded = random_crop(Batch(recorded, cut.y), 0.6, generator())  # the same places, without normalisation
    back = cut.x * cut.level[..., 1:] + cut.level[..., :1]
    changed = (cut.x != x).flatten(1).any(-1)
    assert 0 < changed.sum() < 9
    torch.testing.assert_close(cut.level[~changed], level[~changed])
    torch.testing.assert_close(back.mean(-1)[changed], cut.level[changed][..., 0])
    torch.testing.assert_close(back.std(-1, correction=0)[changed], cut.level[changed][..., 1])
    torch.testing.assert_close(as_recorded.x[changed], cut.x[changed])
