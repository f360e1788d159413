from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from model.sub_actions.cut import load_vocabulary, merge_phrases, valid_range
from model.sub_actions.vocabulary_files import vocabulary_files, vocabulary_record

CLASSES = {"wave, fast": ["p40", "p0"], "sit": ["p40", "p130"], "jump": ["p55", "p200"]}


def vectors(phrases: tuple[str, ...]) -> np.ndarray:
    """The phrase p40 lies in the plane at 40°, and so on."""
    angles = np.radians([float(phrase[1:]) for phrase in phrases])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_the_table_of_sub_actions_by_hand(tmp_path: Path) -> None:
    vocabulary = load_vocabulary({"name": "hand-made", "classes": CLASSES})
    embeddings = vectors(vocabulary.all_phrases())
    files = vocabulary_files(
        vocabulary, merge_phrases(vocabulary, embeddings, 4), embeddings, vectors(("t1", "t2", "t3"))
    )
    files.write(tmp_path)
    (tmp_path / "sub_actions.csv").write_text("an earlier one")
    files.write(tmp_path)
    table = pd.read_csv(tmp_path / "sub_actions.csv")
    assert list(table.name) == ["p0", "p130", "p200", "p40"]
    assert list(table.sub_action) == [0, 1, 2, 3]
    assert list(table.phrases) == ["p0", "p130", "p200", "p40 | p55"]
    assert list(table.classes) == ["wave, fast", "sit", "jump", "wave, fast | sit | jump"]
    assert list(table.owned) == ["own", "own", "own", "shared"]
    assert list(table.nearest) == ["p40", "p200", "p130", "p0"]
    np.testing.assert_allclose(table.nearest_cosine, np.cos(np.radians([40, 70, 70, 40])), atol=6e-4)
    np.testing.assert_allclose(table.cosine, [1, 1, 1, (1 + np.cos(np.radians(15))) / 2], atol=6e-4)
    assert json.loads((tmp_path / "vocabulary.json").read_text()) == files.scores.as_dict()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sub_actions.csv", "vocabulary.json"]


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
