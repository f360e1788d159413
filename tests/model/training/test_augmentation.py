from __future__ import annotations

import numpy as np
import pytest
import torch

from model.network.batch import Batch
from model.training.augmentation import ROLLED_SHARE, random_roll


def roll(x: torch.Tensor, most: float) -> torch.Tensor:
    return random_roll(Batch(x, torch.zeros(len(x), dtype=torch.long, device=x.device)), most, generator()).x


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_recording_is_rolled_by_what_is_drawn_in_all_its_channels() -> None:
    x = torch.randn(9, 3, 40, generator=generator(1))
    rolled, draw = roll(x, 0.4), generator()
    chosen = torch.rand(9, generator=draw) < 0.5
    by = (0.4 * (2 * torch.rand(9, generator=draw) - 1) * 40).round().int()
    assert 0 < chosen.sum() < 9
    assert (by < 0).any()
    assert (by > 0).any()
    for recording in range(9):
        expected = np.roll(x[recording].numpy(), int(by[recording]) if chosen[recording] else 0, axis=-1)
        np.testing.assert_array_equal(rolled[recording].numpy(), expected)


def test_tempo_and_level_stay_as_they_are() -> None:
    """What repeats so often in a recording does so after it was rolled: no spectrum changes."""
    x = torch.randn(20, 2, 64, generator=generator(1), dtype=torch.float64).cumsum(-1)
    level = torch.randn(20, 2, 2)
    batch = Batch(x, torch.arange(20), level)
    rolled = random_roll(batch, 0.5, generator())
    assert not torch.equal(rolled.x, x)
    torch.testing.assert_close(torch.fft.rfft(rolled.x).abs(), torch.fft.rfft(x).abs())
    torch.testing.assert_close(rolled.x.mean(-1), x.mean(-1))
    assert rolled.level is level
    assert rolled.y is batch.y


def test_half_are_rolled_evenly_to_both_sides() -> None:
    x = torch.zeros(8000, 1, 1000)
    x[..., 500] = 1.0
    by = (roll(x, 0.2).argmax(-1) - 500).flatten()
    # Even from −200 to 200, so that one of 400 stays where it was.
    assert abs(float((by != 0).double().mean()) - ROLLED_SHARE) < 0.02
    quantiles = torch.quantile(by[by != 0].double(), torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0], dtype=torch.float64))
    torch.testing.assert_close(
        quantiles, torch.tensor([-200.0, -100, 0, 100, 200], dtype=torch.float64), atol=8, rtol=0
    )


def test_nothing_is_rolled_and_nothing_drawn_at_zero() -> None:
    batch, source = Batch(torch.randn(2, 2, 16), torch.zeros(2, dtype=torch.long)), generator()
    state = source.get_state()
    assert random_roll(batch, 0.0, source) is batch
    assert torch.equal(source.get_state(), state)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_device_does_not_change_the_roll() -> None:
    x = torch.randn(3, 2, 64)
    assert torch.equal(roll(x.cuda(), 0.3).cpu(), roll(x, 0.3))
