"""Trains the answer key: once for a number of sub-actions, before any trial, from pieces and class text alone.

Deterministic on one machine, whatever ran before: its own generator, one thread. It takes about five seconds on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from model.checkpoint import Stored, load_weights, read_model, save_model
from model.configuration.reading import Configuration
from model.configuration.sections import Windows
from model.evaluation.metrics import target_information, token_specificity
from model.network.alignment import ClassText
from model.network.attributes import Placement
from model.network.batch import Batch
from model.network.building import placement
from model.network.teacher import MEMBERS, AnswerKey, MemberLinear, partial_label_loss

RECORDINGS_PER_STEP = 16
LEARNING_RATE = 1e-2
RISE = 0.1  # share of the steps
INPUT_NOISE = 0.3  # deviation; shapes have 1. Without it training windows are learnt by heart
SEED = 0


class KeyQuality(NamedTuple):
    """What a key is worth, on held-out recordings in windows at their anchors."""

    information: float  # E KL(p ‖ p̄) / ln K
    specificity: float  # E KL(p ‖ p̄_class) / ln |S_y|
    agreement: float  # share of windows that another key names alike, names of one ownership set matched


def train_key(key: AnswerKey, split: Batch, where: Placement, tokens: int, steps: int, seed: int) -> None:
    """Trains a key in place.

    Args:
        key: Its weights are drawn anew.
        split: The training recordings.
        where: Where windows may lie; they are drawn at random within its bounds, so that the key knows all that a
            trial may choose.
        tokens: Windows of a recording (N).
        steps: Optimiser steps.
        seed: Of the weights and of everything drawn.
    """
    with _one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        key.requires_grad_()
        for layer in key.modules():
            if isinstance(layer, MemberLinear):
                layer.reset_parameters()
        optimizer = torch.optim.AdamW(key.parameters(), lr=LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, max(steps, 2), pct_start=RISE)
        for _ in range(steps):
            rows = torch.randperm(len(split.x))[:RECORDINGS_PER_STEP].to(split.x.device)
            part = split.take(rows)
            described = key.describe(part.x, *_windows(part, where, tokens, drawn=True))
            noise = INPUT_NOISE * torch.randn(described.shape).to(described.device)
            loss = partial_label_loss(key(described + noise), key.owned[part.y])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        key.requires_grad_(False)


def _windows(part: Batch, where: Placement, tokens: int, drawn: bool) -> tuple[Tensor, Tensor]:
    """Windows `(B, tokens)` of each recording, at their anchors; or half of them, drawn and moved at random."""
    raw = torch.zeros(len(part.x), tokens, 2)
    if not drawn:
        return where.place(raw.to(part.x.device))
    start, length = where.place(torch.randn(raw.shape).to(part.x.device))
    some = torch.randperm(tokens)[: -(-tokens // 2)].to(part.x.device)
    return start[:, some], length[:, some]


@torch.no_grad()
def key_quality(key: AnswerKey, other: AnswerKey, split: Batch, where: Placement, tokens: int) -> KeyQuality:
    """Measures a key, and how far another one agrees, on recordings that neither was trained on."""
    start, length = _windows(split, where, tokens, drawn=False)
    first, second = (one.label(split.x, start, length, split.y).flatten(0, 1) for one in (key, other))
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
    configuration: Configuration, text: ClassText, split: tuple[Batch, Batch]
) -> tuple[AnswerKey, KeyQuality]:
    """Trains the key of a number of sub-actions and measures it.

    Of the configuration it reads the number and the kind of windows and `alignment.key_steps`. The split are training
    and validation recordings.
    """
    train, validation = split
    # What else a trial may choose for its windows may not change what it is asked.
    usual = Windows(placement=configuration.windows.placement)
    where, tokens = placement(configuration.model_copy(update={"windows": usual})), configuration.architecture.tokens
    both = AnswerKey(text, train.x.shape[1], 2 * MEMBERS).to(train.x.device)
    train_key(both, train, where, tokens, configuration.alignment.key_steps, SEED)
    key, other = both.members(slice(MEMBERS)), both.members(slice(MEMBERS, None))
    quality = key_quality(key, other, validation, where, tokens)
    key.agreement.fill_(quality.agreement)
    return key, quality


def provide_key(
    kept: dict[str, Stored],
    name: str,
    configuration: Configuration,
    text: ClassText,
    split: tuple[Batch, Batch],
    folder: Path | None = None,
) -> AnswerKey:
    """A key that is kept under a name, or in a file of that name in `folder`, or else trained and kept in both.

    Other arguments as for `fit_answer_key`.
    """
    path = None if folder is None else folder / f"{name}.safetensors"
    if path is not None and name not in kept and path.is_file():
        kept[name] = read_model(path)
    if name in kept:
        key = AnswerKey(text, split[0].x.shape[1])
        load_weights(Path(name) if path is None else path, key, kept[name].weights)
    else:
        key, quality = fit_answer_key(configuration, text, split)
        kept[name] = Stored(dict(key.state_dict()), {}, quality._asdict())
    if path is not None and not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_model(path, key, {}, kept[name].about)
    return key


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums split over threads differ in the last digit, and then so do the keys of two machines."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
