"""Linear classifiers on frozen features of a trained model: tokens, as in the VQShape paper, and code histograms.

Owns the features, the fit and the scores. Everything is fitted on the training split alone, the strength of the
penalty included; the held-out split is only predicted. It is measured at every evaluation of a search, so it has to be
cheap and to repeat exactly: a ridge classifier on standardised features has a closed form for the leave-one-out error
of every penalty, so that choosing one needs no random folds and hardly more time than a single fit. It runs in one
thread of BLAS, since the last digits of a sum depend on how it was shared out.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import ThreadpoolController

from model.files import write_table

CONFUSION_FILE = "confusion.csv"
# Standardised features number up to some thousands, and the eigenvalues that the penalty is added to grow with them.
PENALTIES = np.logspace(-3, 6, 10)


class Features(NamedTuple):
    """Frozen features of `B` recordings in `R` rows of tokens, one or more each; the fields name the classifiers."""

    token: np.ndarray  # (B, R / B · tokens · (code_dim + numbers of a token))
    histogram: np.ndarray  # (B, R / B · codes)


class Scores(NamedTuple):
    """How well a held-out split was predicted."""

    accuracy: float
    macro_f1: float


def features(codes: np.ndarray, index: np.ndarray, numbers: np.ndarray, recordings: int) -> Features:
    """Features of recordings whose rows lie one after the other, all rows of a recording together.

    A row is a channel of a recording, or all of it where channels are fused. The book is `codes (codes, code_dim)`, the
    code of each token `index (rows, tokens)`; `numbers (rows, tokens, numbers)` are start, length, offset and scale of
    each token, for each channel of the row.
    """
    tokens = np.concatenate([codes[index], numbers], axis=-1).reshape(recordings, -1)
    at = np.arange(len(index))[:, None] * len(codes) + index
    counts = np.bincount(at.ravel(), minlength=len(index) * len(codes))
    return Features(tokens.astype(np.float64), counts.reshape(recordings, -1).astype(np.float64))


def confusion(train: np.ndarray, train_y: np.ndarray, held_out: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
    """Fits a linear classifier on the training split and predicts the held-out split.

    Features come as `(recordings, features)`, classes as `(recordings,)`.

    Returns:
        `(classes, classes)`, int64: recordings by true class (rows) and predicted class (columns). Zeros where a
        feature is not finite: a model that diverged is classified by nothing, and its losses say what happened.
    """
    if not (np.isfinite(train).all() and np.isfinite(held_out).all()):
        return np.zeros((classes, classes), dtype=np.int64)
    with _threads().limit(limits=1, user_api="blas"):
        model = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=PENALTIES))
        predicted = model.fit(train, train_y).predict(held_out)
    return confusion_matrix(y, predicted, classes)


def confusion_matrix(y: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Recordings by true class (rows) and predicted class (columns), int64; both come as `(recordings,)`."""
    return np.bincount(y * classes + predicted, minlength=classes**2).reshape(classes, classes)


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()  # looks through every loaded library, which takes longer than a small fit


def scores(confusion: np.ndarray) -> Scores:
    """Accuracy and macro-F1 of a confusion matrix, true classes in its rows.

    Macro-F1 is the mean of 2·hits / (true + predicted) over the classes that are true or predicted at least once. Both
    are NaN for a matrix of zeros.
    """
    if not confusion.any():
        return Scores(math.nan, math.nan)
    hits, either = np.diag(confusion), confusion.sum(0) + confusion.sum(1)
    seen = either > 0
    return Scores(float(hits.sum() / confusion.sum()), float((2 * hits[seen] / either[seen]).mean()))


def write_confusions(path: Path, confusions: dict[str, np.ndarray], classes: tuple[str, ...]) -> None:
    """Writes one row per classifier, true class and predicted class, from the matrix of each classifier."""
    rows = [
        (name, true, predicted, int(matrix[i, j]))
        for name, matrix in confusions.items()
        for i, true in enumerate(classes)
        for j, predicted in enumerate(classes)
    ]
    write_table(path, ["classifier", "true", "predicted", "recordings"], rows)
