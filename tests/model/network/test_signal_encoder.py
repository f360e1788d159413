from __future__ import annotations

import math

import pytest
import torch

from model.network.attributes import AnchoredWindows
from model.network.signal_encoder import AnchoredQueries, PatchEncoder, SeriesDecoder, sinusoidal_positions
from model.network.transformer import BlockSizes

SIZES = BlockSizes(width=8, heads=2)


def series(n: int = 3) -> torch.Tensor:
    return torch.randn(n, 64, generator=torch.Generator().manual_seed(0))


def test_shapes_along_the_path() -> None:
    embedded = PatchEncoder(64, 16, SIZES, 1)(series())
    assert embedded.shape == (3, 16, 8)
    tokens = AnchoredQueries(16, 4, SIZES, 1)(embedded)
    assert tokens.shape == (3, 4, 8)
    assert SeriesDecoder(64, 4, SIZES, 1)(tokens).shape == (3, 64)


def test_series_do_not_see_each_other() -> None:
    encoder = PatchEncoder(64, 16, SIZES, 1).eval()
    torch.testing.assert_close(encoder(series())[1], encoder(series()[1:2])[0], atol=1e-5, rtol=1e-5)


def test_a_hidden_patch_is_not_seen() -> None:
    encoder, tokenizer = PatchEncoder(64, 16, SIZES, 1).eval(), AnchoredQueries(16, 4, SIZES, 1).eval()
    kept = torch.tensor([p for p in range(16) if p != 5]).expand(3, -1)
    x = series()
    changed = x.clone()
    changed[:, 20:24] += 3.0
    embedded = encoder(x, kept)
    assert embedded.shape == (3, 15, 8)
    torch.testing.assert_close(embedded, encoder(changed, kept))
    torch.testing.assert_close(tokenizer(embedded, kept), tokenizer(encoder(changed, kept), kept))
    assert not torch.allclose(encoder(x), encoder(changed))


def test_series_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="series of 60 samples came to an encoder of 64"):
        PatchEncoder(64, 16, SIZES, 1)(torch.randn(2, 60))


def test_keeping_every_patch_is_showing_all() -> None:
    encoder, tokenizer = PatchEncoder(64, 16, SIZES, 1).eval(), AnchoredQueries(16, 4, SIZES, 1).eval()
    every = torch.arange(16).expand(3, -1)
    embedded = encoder(series(), every)
    torch.testing.assert_close(embedded, encoder(series()))
    torch.testing.assert_close(tokenizer(embedded, every), tokenizer(embedded))


def test_the_order_of_the_kept_patches_does_not_matter() -> None:
    encoder, tokenizer = PatchEncoder(64, 16, SIZES, 1).eval(), AnchoredQueries(16, 4, SIZES, 1).eval()
    kept = torch.tensor([[1, 4, 9, 12], [0, 2, 7, 15], [3, 5, 6, 8]])
    turned = kept.flip(-1)
    ahead, back = tokenizer(encoder(series(), kept), kept), tokenizer(encoder(series(), turned), turned)
    torch.testing.assert_close(ahead, back, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("tokens", [1, 2, 4, 7, 16])
def test_a_query_starts_from_the_patches_of_its_anchor_window(tokens: int) -> None:
    tokenizer = AnchoredQueries(112, tokens, SIZES, 1)
    torch.testing.assert_close(tokenizer.nearness.sum(-1), torch.ones(tokens))
    place = (torch.arange(112) + 0.5) / 112
    start, length = (part[0, :, None] for part in AnchoredWindows(tokens).place(torch.zeros(1, tokens, 2)))
    outside = (place < start) | (place > start + length)
    assert float((tokenizer.nearness * outside).sum(-1).max()) < 1e-3
    torch.testing.assert_close(tokenizer.nearness @ place, (start + length / 2)[:, 0], atol=1e-3, rtol=0)


def test_positions_are_the_published_sines() -> None:
    table = sinusoidal_positions(torch.tensor([0.0, 2.0]), 4)
    expected = torch.tensor([[0, 1, 0, 1], [torch.sin(torch.tensor(2.0)), torch.cos(torch.tensor(2.0)), 0.02, 0.9998]])
    torch.testing.assert_close(table, expected, atol=1e-4, rtol=0)


def test_a_patch_beyond_the_end_repeats_the_last_sample() -> None:
    short = series()[:, :59]
    padded = torch.cat([short, short[:, -1:].expand(-1, 5)], dim=-1)
    encoder = PatchEncoder(59, 16, SIZES, 1).eval()
    assert encoder.patch_samples == 4
    whole = PatchEncoder(64, 16, SIZES, 1).eval()
    whole.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(encoder(short), whole(padded), rtol=0, atol=0)
    wider = PatchEncoder(59, 16, SIZES, 1, patch_samples=5).eval()
    assert wider(short).shape == (3, 16, 8)


def test_anchors_are_spread_over_the_series_and_not_over_its_padding() -> None:
    """500 samples in 64 patches of 8: the anchor windows are where 50 patches of 10 have them."""
    padded, exact = AnchoredQueries(64, 25, SIZES, 1, filled_patches=62.5), AnchoredQueries(50, 25, SIZES, 1)
    centre = {
        name: (tokenizer.nearness * (torch.arange(patches) + 0.5)).sum(-1) * size
        for name, tokenizer, patches, size in (("padded", padded, 64, 8), ("exact", exact, 50, 10))
    }
    # To half a patch.
    torch.testing.assert_close(centre["padded"], centre["exact"], atol=4.0, rtol=0)


@pytest.mark.parametrize(("length", "tokens"), [(64, 4), (500, 32), (100, 32), (50, 7), (9, 9)])
def test_each_sample_comes_from_the_token_of_its_place(length: int, tokens: int) -> None:
    decoder = SeriesDecoder(length, tokens, SIZES, 1)
    each = decoder.to_samples.out_features
    assert each == math.ceil(length / tokens)
    # Sample k of token n is the number n · 1000 + k.
    numbers = torch.arange(tokens)[:, None] * 1000.0 + torch.arange(each)
    decoder.blocks = torch.nn.Identity()
    decoder.positions = torch.nn.Parameter(torch.zeros(()))
    decoder.to_samples = torch.nn.Identity()
    rebuilt = decoder(numbers[None])[0]
    expected = []
    for token in range(tokens):
        mine = [s for s in range(length) if token * length <= s * tokens < (token + 1) * length]
        expected += [token * 1000.0 + within for within in range(len(mine))]
    assert rebuilt.tolist() == expected


def test_a_decoder_of_several_channels_gives_their_series_side_by_side() -> None:
    decoder = SeriesDecoder(20, 4, SIZES, 1, channels=3).eval()
    tokens = torch.randn(2, 4, 8)
    samples = decoder.to_samples(decoder.blocks(tokens + decoder.positions))
    rebuilt = decoder(tokens)
    assert rebuilt.shape == (6, 20)
    torch.testing.assert_close(rebuilt[4], samples[1, :, 5:10].flatten())
