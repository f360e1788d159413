"""Recordings of a class that was never trained, recognised by the sub-actions that their codes name.

The class is left out of the training altogether; its phrases stay in the vocabulary, and other classes have trained
those that they share with it. A recording is given to the class y with the largest mean over its tokens of
ln((1 / |S_y|) Σ_{k in S_y} q_k / π_k), q what the token's code says and π its mean over the training tokens.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from model.configuration.reading import parse_configuration
from model.evaluation.evaluate import code_meanings, collect
from model.network.batch import Batch, as_batch
from model.study import ShapeActionStudy
from model.training.run import ShapeActionRun


def class_scores(log_q: np.ndarray, prior: np.ndarray, owned: np.ndarray) -> np.ndarray:
    """Return the score of each class, (recordings, classes).

    `log_q` (recordings, tokens, K) is what tokens say, `prior` (K,) its mean over the training tokens, `owned`
    (classes, K) of bool what the classes own.
    """
    share = owned / owned.sum(1, keepdims=True)
    return np.log((np.exp(log_q) / prior) @ share.T).mean(1)


def measure(values: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    """Leave each class out in turn, and return its figures on the test part.

    Returns:
        Of each class: `class`; `unseen`, the share of its recordings that are given to it, among all classes;
        `seen`, that of the others' recordings; `seen_among_seen`, the same where
        the class left out is no answer; `chance`, 1 / classes;
        `shared`, the share of its sub-actions that another class owns.
    """
    torch.set_num_threads(1)
    study, c = ShapeActionStudy(values), parse_configuration(values | {"seed": seed})
    text = study.text.class_text(study.text.merged(c.num_sub_actions, c.merging))
    owned, rows = text.owned.numpy(), []
    train, validation, test = (
        as_batch(part, "cpu") for part in (study.dataset.train, study.dataset.validation, study.dataset.test)
    )
    for left_out, name in enumerate(study.dataset.class_names):
        run = ShapeActionRun(c, _without(train, left_out), _without(validation, left_out), text)
        for _ in range(c.epochs):
            run.train_epoch()
        learnt, seen = collect(run.model, run.train), collect(run.model, test)
        table = code_meanings(run.model, learnt)
        prior = table[learnt.indices].exp().mean(0).numpy()
        scores = class_scores(table[seen.indices].view(len(test.x), -1, table.shape[1]).numpy(), prior, owned)
        y, others = test.y.numpy(), np.arange(len(owned)) != left_out
        right, unseen = scores.argmax(1) == y, test.y.numpy() == left_out
        among = np.flatnonzero(others)[scores[:, others].argmax(1)] == y
        rows.append(
            {
                "class": name,
                "unseen": float(right[unseen].mean()),
                "seen": float(right[~unseen].mean()),
                "seen_among_seen": float(among[~unseen].mean()),
                "chance": 1 / len(owned),
                "shared": float((owned[left_out] & owned[others].any(0)).sum() / owned[left_out].sum()),
            }
        )
    return rows


def _without(split: Batch, left_out: int) -> Batch:
    return split.take((split.y != left_out).nonzero().flatten())
