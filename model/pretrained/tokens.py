"""Tokens of recordings that the model has never seen: codes, windows and sub-actions, from the signal alone.

Owns the way from a raw recording to what the model reads, which is that of training (`model.dataset.preprocessing`),
and the way back from fractions of a series to samples of the recording as it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.dataset.preprocessing import normalise, resample, series_levels
from model.network.shape_action import ShapeActionNetwork
from model.sub_actions.alternatives import Alternatives

RECORDINGS_AT_ONCE = 64


class Tokens(NamedTuple):
    """Tokens of `B` recordings in `R` rows of `N`, `K` sub-actions.

    `R` is the number of channels, or 1 where the channels are fused and a token describes them all.

    Attributes:
        codes: int64, (B, R, N), from 0.
        start: float32, (B, R, N), first position of the window, in samples of the recording as it was given, from 0.
        length: float32, (B, R, N), of the window in samples; `start + length` is at most the last sample's position.
        sub_action: int64, (B, R, N), the likeliest, an index into `names`.
        probabilities: float32, (B, R, N, K), of all sub-actions, as the model predicts them: from the code where the
            method is `action_decoder`, from the token itself where it is `action_head`.
        names: Of the sub-actions, (K,).
        alternatives: Sub-actions that exactly the same classes own cannot be told apart, so that one of `names` says
            more than the model knows: `alternatives.names`, (K,), has "a | b" there, and
            `alternatives.likeliest(probabilities)` adds up the probabilities of each such set.
    """

    codes: np.ndarray
    start: np.ndarray
    length: np.ndarray
    sub_action: np.ndarray
    probabilities: np.ndarray
    names: tuple[str, ...]
    alternatives: Alternatives


@torch.no_grad()
def tokenize(network: ShapeActionNetwork, metadata: Mapping[str, Any], x: np.ndarray | Tensor) -> Tokens:
    """Tokens of raw recordings, see `ShapeAction.tokenize`; `metadata` is what the model says of itself."""
    raw = _checked(network, metadata, x)
    was_training = network.training
    network.eval()
    parts = [_chunk(network, raw[at : at + RECORDINGS_AT_ONCE]) for at in range(0, len(raw), RECORDINGS_AT_ONCE)]
    network.train(was_training)
    codes, start, length, probabilities = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    likeliest = probabilities.argmax(-1).astype(np.int64)
    names = tuple(metadata["sub_actions"])
    alternatives = Alternatives.of(names, network.teacher.text.owned.cpu().numpy())
    return Tokens(codes, start, length, likeliest, probabilities, names, alternatives)


def _chunk(network: ShapeActionNetwork, raw: np.ndarray) -> tuple[np.ndarray, ...]:
    device = next(network.parameters()).device
    recordings, channels, samples = raw.shape
    x, mean, scale = normalise(resample(raw, network.to_tokens.encoder.length))
    level = torch.from_numpy(series_levels(x, mean, scale)).to(device)
    out = network(torch.from_numpy(x).to(device).flatten(0, 1), level=level)
    rows = channels // network.channels_per_token
    # All series of a row share its window, so the first of them says it.
    start, length = (
        part.view(recordings, channels, -1)[:, :: network.channels_per_token].cpu().numpy() * np.float32(samples - 1)
        for part in (out.attributes.start, out.attributes.length)
    )
    codes = out.quantized.indices.unflatten(0, (recordings, rows)).cpu().numpy()
    probabilities = out.log_q.exp().unflatten(0, (recordings, rows)).cpu().numpy()
    return codes, start, np.minimum(length, samples - 1 - start), probabilities


def _checked(network: ShapeActionNetwork, metadata: Mapping[str, Any], x: np.ndarray | Tensor) -> np.ndarray:
    """Raw recordings as float64.

    Raises:
        ValueError: They are none that this network can read.
    """
    raw = np.asarray(x.detach().cpu() if isinstance(x, Tensor) else x)
    if raw.ndim != 3 or 0 in raw.shape or raw.dtype.kind not in "iuf":
        raise ValueError(
            f"expected numbers of shape (recordings, channels, samples), got {raw.dtype} {raw.shape}; "
            "one recording: x[None], one channel: x[:, None]"
        )
    names = list(metadata["channels"])
    if raw.shape[1] != len(names):
        raise ValueError(
            f"this model reads {len(names)} channels ({', '.join(names)}), but the recordings of shape {raw.shape} "
            f"have {raw.shape[1]}"
        )
    samples, native = network.to_tokens.encoder.length, metadata["configuration"]["architecture"]["length"] == "native"
    if raw.shape[2] < 2 or (native and raw.shape[2] != samples):
        needed = f"{samples} samples, and does not resample (architecture.length: native)" if native else "2 or more"
        raise ValueError(f"this model reads recordings of {needed}, but these have {raw.shape[2]}")
    broken = np.argwhere(~np.isfinite(raw))
    if len(broken):
        recording, channel, sample = broken[0]
        raise ValueError(f"recording {recording}, channel {names[channel]}, sample {sample} is no finite number")
    return raw.astype(np.float64)
