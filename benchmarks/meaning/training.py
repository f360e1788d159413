"""One training on a design, of ours or of a control, and its figures on the test part."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from benchmarks.meaning import clusters, naming
from benchmarks.meaning.designs import DESIGNS, PHRASES, Prepared, Recordings, prepare
from benchmarks.quality.kmeans import held_pieces, held_windows
from model.configuration.reading import parse_configuration
from model.dataset.preprocessing import normalise
from model.evaluation.evaluate import code_meanings, collect
from model.network.batch import Batch
from model.network.shapes import normalise_pieces
from model.network.teacher import SMALLEST_SCALE
from model.study import ShapeActionStudy
from model.training.run import ShapeActionRun

# What gives the soft labels that a network is trained towards; all are marked by the same key.
KINDS: dict[str, dict[str, Any]] = {
    "ours": {},
    "own attention": {"alignment": {"key": "own"}},
    "own attention, frozen": {"alignment": {"key": "own", "momentum": 0.9999999}},
    "random phrases": {},
    "true labels": {"training": {"roll": 0.0}},
}
CLUSTERS = "k-means and EM"


@dataclass(frozen=True)
class Task:
    """One training."""

    design: str
    kind: str  # one of `KINDS`, or `CLUSTERS`
    codes: int
    seed: int  # of the recordings as well
    weight: float = 0.5  # action_weight
    method: str = "action_decoder"
    epochs: int = 60
    changed: str = ""  # what is changed of the alignment, for people
    alignment: dict[str, Any] = field(default_factory=dict)  # those keys

    @property
    def title(self) -> str:
        """For people, one line."""
        what = f"{self.design}, J = {self.codes}, {self.kind}"
        return what if self.kind == CLUSTERS else f"{what}, w = {self.weight:g}, {self.method}, seed {self.seed}"


def perform(task: Task) -> dict[str, float]:
    """Train, and measure the test part once."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        prepared, owned = prepare(task.design, task.seed, Path(folder)), DESIGNS[task.design].owned()
        if task.kind == CLUSTERS:
            return naming.figures(_clustered(task, prepared, owned), prepared.test.truth, prepared.test.y, owned)
        values = dict(prepared.configuration)
        for section, keys in (*KINDS[task.kind].items(), ("alignment", task.alignment)):
            values[section] = values[section] | keys
        values |= {"codebook_size": task.codes, "action_weight": task.weight, "method": task.method}
        values |= {"epochs": task.epochs, "seed": task.seed}
        study = ShapeActionStudy(values)
    if task.kind == "random phrases":
        rng = np.random.default_rng(task.seed)
        random = {phrase: rng.standard_normal(study.text.embeddings.shape[1]) for phrase in PHRASES}
        rows = np.array([random[phrase] for phrase in study.text.vocabulary.all_phrases()], dtype=np.float32)
        study.text.embeddings = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    study.check(values)
    run = study.trial(values, "cpu")
    order = _primitives(study, values)
    if task.kind == "true labels":
        run.model.teacher.target = TrueLabels(prepared.train, order)  # type: ignore[method-assign, assignment]
    began = time.process_time()
    for _ in range(task.epochs):
        run.train_epoch()
    return measure(run, study, prepared, order) | {"seconds": time.process_time() - began}


def measure(run: ShapeActionRun, study: ShapeActionStudy, prepared: Prepared, order: np.ndarray) -> dict[str, float]:
    """Return every metric of a run on the test part, and what it names right."""
    test = study.test_split("cpu")
    assert test is not None
    seen, table = collect(run.model, test), code_meanings(run.model, collect(run.model, run.train))
    start, length = (part.numpy() for part in run.model.windows(seen, len(test.x)))
    q = np.empty(table.shape)
    q[:, order] = table.exp().numpy()
    tokens = naming.Tokens(seen.indices.view(start.shape).numpy(), start, length, q)
    owned = np.zeros((len(study.dataset.class_names), len(order)), dtype=bool)
    owned[:, order] = run.model.teacher.text.owned.numpy()
    true = naming.token_truth(prepared.test.truth, start, length, len(order))
    label = order[seen.p.argmax(-1).numpy()].reshape(true.shape)
    named = naming.figures(tokens, prepared.test.truth, prepared.test.y, owned)
    return run.evaluate(test) | named | {"label": float((label == true).mean())}


class TrueLabels:
    """Gives each window the primitive that it shows, in place of the teacher's target."""

    def __init__(self, recordings: Recordings, order: np.ndarray):
        """Look recordings up by their samples; `order` (K,) is the primitive of each sub-action."""
        x = normalise(recordings.x)[0]
        self._truth = {row.tobytes(): truth for row, truth in zip(x, recordings.truth, strict=True)}
        self._sub_action = np.argsort(order)

    def __call__(self, tokens: Tensor, batch: Batch, start: Tensor, length: Tensor) -> Tensor:
        """Return what `TextTeacher.target` does."""
        truth = np.stack([self._truth[row.numpy().tobytes()] for row in batch.x])
        windows = (part.detach().numpy() for part in (start, length))
        true = naming.token_truth(truth, *windows, len(self._sub_action))
        return torch.eye(len(self._sub_action))[torch.from_numpy(self._sub_action[true])]


def _primitives(study: ShapeActionStudy, values: dict[str, Any]) -> np.ndarray:
    """Return the primitive of each sub-action, (K,)."""
    c = parse_configuration(values)
    return np.array([PHRASES.index(name) for name in study.text.merged(c.num_sub_actions, c.merging).names])


def _clustered(task: Task, prepared: Prepared, owned: np.ndarray) -> naming.Tokens:
    count, channels = parse_configuration(prepared.configuration).architecture.tokens, prepared.train.x.shape[1]
    pieces = [_described(part.x, count) for part in (prepared.train, prepared.test)]
    found = KMeans(task.codes, n_init=4, random_state=task.seed).fit(np.concatenate(pieces[0]))
    code, other = (found.predict(np.concatenate(part)).reshape(len(part), -1) for part in pieces)
    windows = tuple(part.flatten().numpy() for part in held_windows(channels, count))
    return clusters.named_tokens((code, prepared.train.y), other, windows, owned, task.seed, task.codes)


def _described(x: np.ndarray, count: int) -> np.ndarray:
    """Return what clusters are made of, (recordings, channels · windows, features).

    A piece's normalised shape, and its log-scale and offset with a quarter of the shape's part in the squared distance
    each: of no part, a quarter, all, and pieces as they are, what names most right.
    """
    pieces = normalise_pieces(held_pieces(torch.from_numpy(normalise(x)[0]), count))
    weight = 0.5 * pieces.shape.shape[-1] ** 0.5
    log_scale = pieces.scale.clamp_min(SMALLEST_SCALE).log()
    level = [weight * (of - of.mean()) / of.std() for of in (log_scale, pieces.offset)]
    described = torch.cat([pieces.shape, torch.stack(level, -1)], -1).numpy()
    return described.reshape(len(x), -1, described.shape[-1])
