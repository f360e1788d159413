"""Which way to rebuild a class's title from its sub-actions tells a vocabulary from a spoilt one.

    python benchmarks/title_rebuilding.py spaces/sub_actions/*.yaml

Each vocabulary is scored as it is and spoilt on purpose, `--draws` times: its phrases shuffled between classes, every
class with the phrases of another, one set of phrases for every class but one. The pooled embedding of a class's
sub-actions, at their usual number (of its phrases where classes have the same set), rebuilds the title in three ways:
as it is, with the mean of all classes removed from both (`model.sub_actions.measures.measure_titles`), and by a
ridge regression on the other classes, whose strength they choose by leave-one-out. `found` is the share of classes
whose own title is the nearest. For `pairs` two classes are held out, and their titles must not fit better exchanged.
Exit codes: 0 done, 2 bad input, 130 stopped.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from command_line import BenchmarkError, OneLineParser, check_json, positive, run_benchmark
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import RidgeCV

from model.sub_actions.cut import merge_phrases, valid_range
from model.sub_actions.encoder import TextEncoder
from model.sub_actions.scores import nearest_count, usual_count
from model.sub_actions.vocabulary import SubActionError, Vocabulary, load_vocabulary

STRENGTHS = np.logspace(-4, 4, 17)
Classes = dict[str, tuple[str, ...]]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line.

    Raises:
        BenchmarkError: An argument that cannot be used.
    """
    parser = OneLineParser(description="Ways to rebuild titles, on good and spoilt vocabularies.", allow_abbrev=False)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.yaml")
    parser.add_argument("--draws", type=positive, default=20, metavar="N", help="of each way to spoil (default 20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every figure there")
    options = parser.parse_args(arguments)
    check_json(options.json)
    return options


def cosines(rebuilt: np.ndarray, titles: np.ndarray) -> np.ndarray:
    """Cosine of each row with each row, 0 where one is zero."""
    lengths = np.linalg.norm(rebuilt, axis=1)[:, None] * np.linalg.norm(titles, axis=1)
    return np.where(lengths > 1e-9, rebuilt @ titles.T / np.maximum(lengths, 1e-9), 0.0)


def ridge(pooled: np.ndarray, titles: np.ndarray, train: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Titles of the held-out classes, by a regression on the others."""
    scale = np.sqrt(((pooled[train] - pooled[train].mean(0)) ** 2).sum(1).mean()) or 1.0
    return RidgeCV(STRENGTHS).fit(pooled[train] / scale, titles[train]).predict(pooled[held] / scale)


def found(cosine: np.ndarray) -> float:
    """Share of rows whose largest entry is on the diagonal; a tie is no hit."""
    others = np.where(np.eye(len(cosine), dtype=bool), -np.inf, cosine)
    return float((np.diag(cosine) > others.max(1) + 1e-6).mean())


def right_way_round(cosine: np.ndarray) -> float:
    """1 where two titles fit better than exchanged, 0 where worse, 1/2 for a tie."""
    margin = cosine[0, 0] + cosine[1, 1] - cosine[0, 1] - cosine[1, 0]
    return 0.5 if abs(margin) < 1e-6 else float(margin > 0)


def measure(pooled: np.ndarray, titles: np.ndarray) -> list[float]:
    """Share of titles found as they are, with means removed, and by regression; and pairs told apart by both."""
    classes, mean = np.arange(len(titles)), titles.mean(0)
    centred = cosines(pooled - pooled.mean(0), titles - mean)
    regressed = [ridge(pooled, titles, np.delete(classes, y), classes[y : y + 1])[0] - mean for y in classes]
    pairs, regressed_pairs = [], []
    for y, z in itertools.combinations(classes, 2):
        held, train = np.array([y, z]), np.delete(classes, [y, z])
        pairs.append(right_way_round(centred[np.ix_(held, held)]))
        rebuilt, others = ridge(pooled, titles, train, held), titles[train].mean(0)
        regressed_pairs.append(right_way_round(cosines(rebuilt - others, titles[held] - others)))
    shares = [found(cosines(pooled, titles)), found(centred), found(cosines(np.array(regressed), titles - mean))]
    return [*shares, float(np.mean(pairs)), float(np.mean(regressed_pairs))]


def as_written(vocabulary: Vocabulary, random: np.random.Generator) -> Classes:
    """The vocabulary itself."""
    return vocabulary.classes


def shuffled(vocabulary: Vocabulary, random: np.random.Generator) -> Classes:
    """Every phrase in some class; one that a class gets twice counts once."""
    phrases, ends = (
        random.permutation(vocabulary.all_phrases()),
        np.cumsum([len(p) for p in vocabulary.classes.values()]),
    )
    dealt = np.split(phrases, ends[:-1])
    return {name: tuple(sorted(set(own.tolist()))) for name, own in zip(vocabulary.class_names, dealt, strict=True)}


def misplaced(vocabulary: Vocabulary, random: np.random.Generator) -> Classes:
    """Every class has the phrases of another one."""
    names = random.permutation(vocabulary.class_names).tolist()
    return {name: vocabulary.classes[other] for name, other in zip(names, names[1:] + names[:1], strict=True)}


def all_but_one_alike(vocabulary: Vocabulary, random: np.random.Generator) -> Classes:
    """Every class but one has the phrases of one of them."""
    odd, common = random.choice(vocabulary.class_names, 2, replace=False).tolist()
    return {name: own if name == odd else vocabulary.classes[common] for name, own in vocabulary.classes.items()}


WAYS: dict[str, Callable[[Vocabulary, np.random.Generator], Classes]] = {
    "as written": as_written,
    "phrases shuffled": shuffled,
    "phrases of another class": misplaced,
    "all but one class alike": all_but_one_alike,
}


def pool(vocabulary: Vocabulary, classes: Classes, embedding: dict[str, np.ndarray]) -> np.ndarray:
    """Mean embedding of the sub-actions of each class of the vocabulary; of its phrases where sets are the same."""
    spoilt = vocabulary.model_copy(update={"classes": {name: classes[name] for name in vocabulary.class_names}})
    embeddings = np.array([embedding[phrase] for phrase in spoilt.all_phrases()])
    valid = valid_range(spoilt, embeddings)
    if not valid:
        return np.array([np.mean([embedding[phrase] for phrase in own], axis=0) for own in spoilt.classes.values()])
    merged = merge_phrases(spoilt, embeddings, nearest_count(valid, usual_count(len(classes))))
    names = np.array([embedding[name] for name in merged.names])
    return merged.owned @ names / merged.owned.sum(1)[:, None]


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Measures every vocabulary, as written and spoilt.

    Raises:
        BenchmarkError: A vocabulary cannot be read.
    """
    try:
        vocabularies = [load_vocabulary(file) for file in options.files]
    except SubActionError as error:
        raise BenchmarkError(str(error)) from None
    encoder = TextEncoder()
    figures: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    for vocabulary in vocabularies:
        console.print(vocabulary.name)
        phrases = vocabulary.all_phrases()
        embedding = dict(zip(phrases, encoder.encode(phrases).astype(float), strict=True))
        titles = encoder.encode(vocabulary.class_titles()).astype(float)
        for way, spoil in WAYS.items():
            for draw in range(options.draws if way != "as written" else 1):
                classes = spoil(vocabulary, np.random.default_rng(draw))
                figures[way].append(measure(pool(vocabulary, classes, embedding), titles))
    chance = float(np.mean([1 / len(vocabulary.classes) for vocabulary in vocabularies]))
    means = {way: np.mean(rows, axis=0).tolist() for way, rows in figures.items()}
    return {"benchmark": "title_rebuilding", "rows": means | {"chance": [chance] * 3 + [0.5] * 2}}


def tables(result: dict[str, Any]) -> Iterable[Table]:
    """One table: a row for each way to spoil a vocabulary, a column for each way to rebuild a title."""
    table = Table("", "found, as it is", "found, means removed", "found, ridge", "pairs, means removed", "pairs, ridge")
    for way, values in result["rows"].items():
        table.add_row(way, *(f"{value:.2f}" for value in values))
    yield table


def main(arguments: list[str] | None = None) -> int:
    """Runs the benchmark and returns its exit code."""
    return run_benchmark("title_rebuilding", lambda: parse(arguments), run, tables)


if __name__ == "__main__":
    sys.exit(main())
