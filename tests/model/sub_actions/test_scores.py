"""Scores of the shipped vocabularies beside deliberately bad ones, the text for people, and the files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from model.sub_actions.cut import compact_range, merge_phrases, valid_range
from model.sub_actions.encoder import TextEncoder
from model.sub_actions.scores import (
    VocabularyFiles,
    VocabularyScores,
    nearest_count,
    score_vocabulary,
    usual_count,
    vocabulary_files,
    vocabulary_record,
)
from model.sub_actions.vocabulary import Vocabulary, load_vocabulary

SPACES = Path(__file__).parents[3] / "spaces" / "sub_actions"
FILES = [SPACES / "basic_motions.yaml", SPACES / "epilepsy.yaml"]
UNRELATED = """boil the pasta for ten minutes, interest rates rise again, install the new software, a letter arrives,
blue paint dries slowly, translate the old poem, buy two tickets online, the engine needs oil, plant roses in spring,
the judge reads the verdict, melt butter in a pan, a novel about the war, vote for the mayor, gold prices fall,
sugar dissolves in tea, encrypt the message, the museum opens today, print forty pages, rent an apartment,
copper conducts electricity, the bakery sells bread, download the photographs, salt preserves the meat,
stars above the desert""".replace("\n", " ").split(", ")
SEEDS = 12


class Remembering(TextEncoder):
    """Embeds each phrase once in all tests."""

    known: ClassVar[dict[str, np.ndarray]] = {}

    def encode(self, phrases: Sequence[str]) -> np.ndarray:
        new = [phrase for phrase in phrases if phrase not in self.known]
        if new:
            self.known.update(zip(new, super().encode(new), strict=True))
        return np.array([self.known[phrase] for phrase in phrases])


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return Remembering()


def scored(vocabulary: Vocabulary, encoder: TextEncoder, k: int) -> VocabularyScores:
    """Scores at the valid number of sub-actions nearest to `k`."""
    embeddings = encoder.encode(vocabulary.all_phrases())
    merged = merge_phrases(vocabulary, embeddings, nearest_count(valid_range(vocabulary, embeddings), k))
    return score_vocabulary(vocabulary, merged, embeddings, encoder.encode(vocabulary.class_titles()))


def shuffled(vocabulary: Vocabulary, random: np.random.Generator) -> dict[str, list[str]]:
    """Every phrase in some class, no class with one twice."""
    while True:
        phrases, classes, at = random.permutation(vocabulary.all_phrases()).tolist(), {}, 0
        for name, own in vocabulary.classes.items():
            classes[name] = phrases[at : at + len(own)]
            at += len(own)
        if all(len(set(own)) == len(own) for own in classes.values()):
            return classes


def misplaced(vocabulary: Vocabulary, random: np.random.Generator) -> dict[str, list[str]]:
    """Every class has the phrases of another one."""
    names = list(random.permutation(vocabulary.class_names))
    return {name: list(vocabulary.classes[other]) for name, other in zip(names, names[1:] + names[:1], strict=True)}


def unrelated(vocabulary: Vocabulary, random: np.random.Generator) -> dict[str, list[str]]:
    """Phrases of other things."""
    return {name: random.choice(UNRELATED, 10, replace=False).tolist() for name in vocabulary.class_names}


def alike(vocabulary: Vocabulary, random: np.random.Generator) -> dict[str, list[str]]:
    """All classes have the phrases of one of them, the others one more that nobody else has."""
    common, all_phrases = random.choice(vocabulary.class_names), vocabulary.all_phrases()
    own = {
        name: [phrase for phrase in phrases if all_phrases.count(phrase) == 1 and name != common]
        for name, phrases in vocabulary.classes.items()
    }
    return {name: [*vocabulary.classes[common], *phrases[:1]] for name, phrases in own.items()}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
@pytest.mark.parametrize("spoil", [shuffled, misplaced, unrelated, alike])
def test_bad_vocabularies_score_worse(file: Path, spoil: Callable, encoder: TextEncoder) -> None:
    good = load_vocabulary(file)
    shipped = scored(good, encoder, 12)
    assert shipped.title_rebuilt.top1 == 1.0
    spoilt = []
    for seed in range(SEEDS):
        classes = spoil(good, np.random.default_rng(seed))
        bad = good.model_copy(update={"classes": {name: tuple(phrases) for name, phrases in classes.items()}})
        spoilt.append(scored(bad, encoder, 12))
    titles = [one.title_rebuilt for one in spoilt]
    assert np.mean([one.top1 for one in titles]) < 0.7
    assert np.mean([one.as_good_by_chance for one in titles]) > 2 * shipped.title_rebuilt.as_good_by_chance
    if spoil is not alike:  # there the phrase of a class that is not common tells its title
        assert np.mean([one.top1 for one in titles]) < 0.4
        assert np.mean([one.cosine for one in titles]) < shipped.title_rebuilt.cosine / 3
    apart = [one.separation for one in spoilt]
    if spoil is misplaced:  # the sets are as they were, for other titles
        assert all(one.silhouette == pytest.approx(shipped.separation.silhouette) for one in apart)
        return
    assert max(one.silhouette for one in apart) < shipped.separation.silhouette
    assert max(one.least_set_distance for one in apart) < shipped.separation.least_set_distance
    assert np.mean([one.meaning_distance for one in apart]) < shipped.separation.meaning_distance


@pytest.mark.parametrize("file", sorted(SPACES.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_shipped_vocabulary_is_better_than_chance(file: Path, encoder: TextEncoder) -> None:
    vocabulary = load_vocabulary(file)
    scores = scored(vocabulary, encoder, usual_count(len(vocabulary.classes)))
    assert scores.separation.silhouette > scores.separation.silhouette_shuffled
    titles = scores.title_rebuilt
    assert titles.top1 > titles.top1_chance
    assert titles.rank < titles.rank_chance
    assert titles.as_good_by_chance < 0.2
    assert scores.coverage.cosine > scores.coverage.cosine_any_two + 0.3
    assert scores.redundancy.near_duplicates == 0


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_merging_less_covers_more_and_leaves_more_duplicates(file: Path, encoder: TextEncoder) -> None:
    one, other = (scored(load_vocabulary(file), encoder, k) for k in (12, 20))
    assert one.coverage.cosine < other.coverage.cosine < 1
    assert one.coverage.kept < other.coverage.kept
    assert one.redundancy.nearest_cosine < other.redundancy.nearest_cosine
    assert one.redundancy.repeated_in_class > other.redundancy.repeated_in_class
    assert one.separation.silhouette > one.separation.silhouette_shuffled + 0.05


def test_scores_are_plain_in_files_and_say_directions_and_chance_to_people(encoder: TextEncoder) -> None:
    scores = scored(load_vocabulary(FILES[1]), encoder, 12)
    values = scores.as_dict()
    assert list(values)[:4] == ["vocabulary", "classes", "phrases", "sub_actions"]
    assert values["identifiable"] == 0.75
    assert values["separation"]["least_set_classes"] == ["RUNNING", "WALKING"]
    numbers = [n for part in list(values.values())[6:] for n in part.values() if not isinstance(n, list)]
    assert all(type(number) is float and number == round(number, 4) for number in numbers)
    text = "\n".join(scores.lines())
    for part in ("separation", "title rebuilt", "coverage"):
        assert f"{part} (higher is better)" in text
    assert "redundancy (lower is better)" in text
    assert "identifiable (higher is better): 9 different ownerships of 12 sub-actions; cannot be told apart: '" in text
    assert "4 of 4 classes find their own title, chance 1" in text
    assert "not found" not in text
    gestures = scored(load_vocabulary(SPACES / "natops.yaml"), encoder, 12).lines()
    assert any(re.search("least 0.*, all clear and not clear", line) for line in gestures), "classes by their titles"
    assert any(line.startswith("  not found: ") for line in gestures)


@pytest.mark.parametrize(("k", "sets"), [(9, 7), (12, 9), (20, 8), (32, 8)])
def test_sub_actions_of_basic_motions_that_can_be_told_apart(encoder: TextEncoder, k: int, sets: int) -> None:
    vocabulary = load_vocabulary(FILES[0])
    scores = scored(vocabulary, encoder, k)
    assert scores.identifiable == pytest.approx(sets / k)
    assert k - sum(len(alike.sub_actions) - 1 for alike in scores.alike) == sets
    if k == 12:
        assert [(alike.sub_actions, alike.classes) for alike in scores.alike] == [
            (("foot strikes the ground", "steps repeat"), ("running", "walking")),
            (("gravity pulls on one axis", "hand trembles"), ("standing",)),
            (("racket swings above the head", "sudden leap to the side"), ("badminton",)),
        ]
        assert scores.as_dict()["alternatives"] == [list(alike.sub_actions) for alike in scores.alike]


def test_ranges_are_written_short() -> None:
    assert compact_range([4, 5, 6, 7, 9, 11, 12]) == "4-7, 9, 11-12"
    assert compact_range([]) == "none"
    assert [nearest_count([9, 10, 15], wanted) for wanted in (1, 12, 13, 40)] == [9, 10, 15, 15]
    assert nearest_count([10, 14], 12) == 14


CLASSES = {"wave, fast": ["p40", "p0"], "sit": ["p40", "p130"], "jump": ["p55", "p200"]}


def vectors(phrases: tuple[str, ...]) -> np.ndarray:
    """The phrase p40 lies in the plane at 40°, and so on."""
    angles = np.radians([float(phrase[1:]) for phrase in phrases])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def files_of(sub_actions: int) -> VocabularyFiles:
    vocabulary = load_vocabulary({"name": "hand-made", "classes": CLASSES})
    embeddings = vectors(vocabulary.all_phrases())
    merged = merge_phrases(vocabulary, embeddings, sub_actions)
    return vocabulary_files(vocabulary, merged, embeddings, vectors(("t1", "t2", "t3")))


def test_the_table_of_sub_actions_by_hand(tmp_path: Path) -> None:
    files = files_of(4)
    files.write(tmp_path)
    (tmp_path / "sub_actions.csv").write_text("an earlier one")
    files.write(tmp_path)
    table = pd.read_csv(tmp_path / "sub_actions.csv")
    assert list(table.name) == ["p0", "p130", "p200", "p40"]
    assert list(table.sub_action) == [0, 1, 2, 3]
    assert list(table.phrases) == ["p0", "p130", "p200", "p40 | p55"]
    assert list(table.classes) == ["wave, fast", "sit", "jump", "wave, fast | sit | jump"]
    assert list(table.owned) == ["own", "own", "own", "shared"]
    assert table.alternatives.isna().all(), "each has owners of its own"
    assert list(table.nearest) == ["p40", "p200", "p130", "p0"]
    np.testing.assert_allclose(table.nearest_cosine, np.cos(np.radians([40, 70, 70, 40])), atol=6e-4)
    np.testing.assert_allclose(table.cosine, [1, 1, 1, (1 + np.cos(np.radians(15))) / 2], atol=6e-4)
    assert json.loads((tmp_path / "vocabulary.json").read_text()) == files.scores.as_dict()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sub_actions.csv", "vocabulary.json"]


def test_the_table_names_what_cannot_be_told_apart(tmp_path: Path) -> None:
    files = files_of(5)
    files.write(tmp_path)
    table = pd.read_csv(tmp_path / "sub_actions.csv", keep_default_na=False)
    assert list(table.name) == ["p0", "p130", "p200", "p40", "p55"]
    assert list(table.alternatives) == ["", "", "p55", "", "p200"]
    assert files.scores.identifiable == pytest.approx(4 / 5)
    said = files.scores.lines()[1]
    assert said.endswith(": 4 different ownerships of 5 sub-actions; cannot be told apart: 'p200' | 'p55' (jump)")


def test_the_record_of_a_run_says_how_many_phrases_and_which_numbers_are_valid() -> None:
    vocabulary = load_vocabulary({"name": "hand-made", "classes": CLASSES, "style": "keywords"})
    valid = valid_range(vocabulary, vectors(vocabulary.all_phrases()))
    record = vocabulary_record(vocabulary, valid, None)
    assert record == {
        "name": "hand-made",
        "style": "keywords",
        "phrases": 6,
        "different_phrases": 5,
        "valid_num_sub_actions": "3-5",
        "scores": {},
    }
