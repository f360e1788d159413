from __future__ import annotations

import torch

from model.signal_encoder import PatchEncoder, SeriesDecoder, Tokenizer, sinusoidal_positions


def series(n: int = 3) -> torch.Tensor:
    return torch.randn(n, 64, generator=torch.Generator().manual_seed(0))


def test_shapes_along_the_path() -> None:
    embedded = PatchEncoder(64, 16, 8, 2, 1)(series())
    assert embedded.shape == (3, 16, 8)
    tokens = Tokenizer(16, 4, 8, 2, 1)(embedded)
    assert tokens.shape == (3, 4, 8)
    assert SeriesDecoder(64, 4, 8, 2, 1)(tokens).shape == (3, 64)


def test_series_do_not_see_each_other() -> None:
    encoder = PatchEncoder(64, 16, 8, 2, 1).eval()
    torch.testing.assert_close(encoder(series())[1], encoder(series()[1:2])[0], atol=1e-5, rtol=1e-5)


def test_a_hidden_patch_is_not_seen() -> None:
    encoder, tokenizer = PatchEncoder(64, 16, 8, 2, 1).eval(), Tokenizer(16, 4, 8, 2, 1).eval()
    kept = torch.tensor([p for p in range(16) if p != 5]).expand(3, -1)
    x = series()
    changed = x.clone()
    changed[:, 20:24] += 3.0
    embedded = encoder(x, kept)
    assert embedded.shape == (3, 15, 8)
    torch.testing.assert_close(embedded, encoder(changed, kept))
    torch.testing.assert_close(tokenizer(embedded, kept), tokenizer(encoder(changed, kept), kept))
    assert not torch.allclose(encoder(x), encoder(changed))


def test_keeping_every_patch_is_showing_all() -> None:
    encoder, tokenizer = PatchEncoder(64, 16, 8, 2, 1).eval(), Tokenizer(16, 4, 8, 2, 1).eval()
    every = torch.arange(16).expand(3, -1)
    embedded = encoder(series(), every)
    torch.testing.assert_close(embedded, encoder(series()))
    torch.testing.assert_close(tokenizer(embedded, every), tokenizer(embedded))


def test_the_order_of_the_kept_patches_does_not_matter() -> None:
    encoder, tokenizer = PatchEncoder(64, 16, 8, 2, 1).eval(), Tokenizer(16, 4, 8, 2, 1).eval()
    kept = torch.tensor([[1, 4, 9, 12], [0, 2, 7, 15], [3, 5, 6, 8]])
    turned = kept.flip(-1)
    ahead, back = tokenizer(encoder(series(), kept), kept), tokenizer(encoder(series(), turned), turned)
    torch.testing.assert_close(ahead, back, atol=1e-5, rtol=1e-5)


def test_a_query_starts_from_the_patches_of_its_anchor_window() -> None:
    tokenizer = Tokenizer(16, 4, 8, 2, 1)
    torch.testing.assert_close(tokenizer.nearness.sum(-1), torch.ones(4))
    # Window of token 1: [1/4, 3/4], patches 4 to 11.
    assert float(tokenizer.nearness[1, 4:12].sum()) > 0.999


def test_positions_are_the_published_sines() -> None:
    table = sinusoidal_positions(torch.tensor([0.0, 2.0]), 4)
    expected = torch.tensor([[0, 1, 0, 1], [torch.sin(torch.tensor(2.0)), torch.cos(torch.tensor(2.0)), 0.02, 0.9998]])
    torch.testing.assert_close(table, expected, atol=1e-4, rtol=0)
