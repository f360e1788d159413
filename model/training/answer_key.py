"""Trains the answer key: once for a number of sub-actions, before any trial, from pieces and class text alone.

Deterministic on one machine, whatever ran before: its own generator, one thread. It takes a second or two on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from model.evaluation.metrics import target_information, token_specificity
from model.network.alignment import ClassText
from model.network.attributes import Placement
from model.network.batch import Batch
from model.network.teacher import AnswerKey, partial_label_loss

RECORDINGS_PER_STEP = 16
LEARNING_RATE = 5e-3
RISE = 0.1  # share of the steps
INPUT_NOISE = 0.3  # deviation; shapes have 1. Without it training windows are learnt by heart
SEEDS = (0, 1)  # the key, and another one that says how much of it is chance


class KeyQuality(NamedTuple):
    """What a key is worth, on held-out recordings in windows at their anchors."""

    information: float  # E KL(p ‖ p̄) / ln K
    specificity: float  # E KL(p ‖ p̄_class) / ln |S_y|
    agreement: float  # share of windows that two seeds' keys name alike, names of one ownership set matched


def train_key(key: AnswerKey, split: Batch, placement: Placement, tokens: int, steps: int, seed: int) -> None:
    """Trains a key in place.

    Args:
        key: Its weights are drawn anew.
        split: The training recordings.
        placement: Where windows may lie; they are drawn at random within its bounds, so that the key knows all that a
            trial may choose.
        tokens: Windows of a recording (N).
        steps: Optimiser steps.
        seed: Of the weights and of everything drawn.
    """
    with _one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in key.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.reset_parameters()
        if split.level is not None:
            median = split.level[..., 1].median(0).values
            key.unit.copy_(torch.where(median > 0, median, 1.0))
        optimizer = torch.optim.AdamW(key.parameters(), lr=LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, max(steps, 2), pct_start=RISE)
        for _ in range(steps):
            rows = torch.randperm(len(split.x))[:RECORDINGS_PER_STEP].to(split.x.device)
            part = split.take(rows)
            described = key.describe(part.x, part.level, *_windows(part, placement, tokens, drawn=True))
            noise = INPUT_NOISE * torch.randn(described.shape).to(described.device)
            loss = partial_label_loss(key(described + noise), key.owned[part.y])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
    key.requires_grad_(False)


def _windows(part: Batch, placement: Placement, tokens: int, drawn: bool) -> tuple[Tensor, Tensor]:
    """Windows `(B, tokens)` of each recording: at their anchors, or drawn."""
    raw = torch.zeros(len(part.x), tokens, 2)
    if drawn:
        raw = torch.randn(raw.shape)
    return placement.place(raw.to(part.x.device))


@torch.no_grad()
def key_quality(key: AnswerKey, other: AnswerKey, split: Batch, placement: Placement, tokens: int) -> KeyQuality:
    """Measures a key, and how far one of another seed agrees, on recordings that neither was trained on."""
    start, length = _windows(split, placement, tokens, drawn=False)
    first, second = (one.label(split.x, split.level, start, length, split.y).flatten(0, 1) for one in (key, other))
    y = split.y.repeat_interleave(tokens)
    agreement = agreeing_share(first.argmax(-1), second.argmax(-1), key.owned)
    mean = first.mean(0)
    information = float(target_information(first, mean))
    return KeyQuality(information, float(token_specificity(first, y, key.owned)), agreement)


def agreeing_share(first: Tensor, second: Tensor, owned: Tensor) -> float:
    """Share of windows that get the same name `(windows,)` twice, `owned (classes, K)` being who owns what.

    Nothing tells sub-actions apart that the same classes own, so names of one ownership set are matched first: the
    permutation within the set under which most agree.
    """
    count = owned.shape[1]
    table = torch.bincount(first * count + second, minlength=count**2).view(count, count)
    alike = (owned[:, :, None] == owned[:, None, :]).all(0)
    # Names of different sets may not be swapped: a pair outside of a set costs more than all windows can bring.
    gain = torch.where(alike, table.double(), -float(len(first)) * count)
    rows, columns = linear_sum_assignment(gain.cpu().numpy(), maximize=True)
    return float(table[rows, columns].sum() / len(first))


def fit_answer_key(
    text: ClassText, split: tuple[Batch, Batch], placement: Placement, tokens: int, steps: int
) -> tuple[AnswerKey, KeyQuality]:
    """Trains the key of a number of sub-actions and measures it.

    Args:
        text: The phrases of each class, merged.
        split: Training and validation recordings.
        placement: Where windows may lie.
        tokens: Windows of a recording (N).
        steps: Optimiser steps of each of two keys.
    """
    train, validation = split
    keys = [AnswerKey(text, train.x.shape[1]).to(train.x.device) for _ in SEEDS]
    for key, seed in zip(keys, SEEDS, strict=True):
        train_key(key, train, placement, tokens, steps, seed)
    quality = key_quality(*keys, validation, placement, tokens)
    keys[0].agreement.fill_(quality.agreement)
    return keys[0], quality


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums split over threads differ in the last digit, and then so do the keys of two machines."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
