"""What `best/` holds, what of it a rebuild replaces, and that nothing of the user's ever goes."""

import hashlib
import json
import struct

import pytest
import yaml
from huggingface_hub import ModelCard

from results import rebuild
from results.export.best import checkpoint_about
from results.export.record import changed_files, read_record

POINTS = [[0.2, 0.9], [0.3, 0.3], [0.9, 0.2], [0.95, 0.95]]
ALWAYS = {"configuration.yaml", "model.safetensors", "README.md", "export.json"}


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_each_named_point_is_a_folder(maker):
    folder = maker.write(maker.rows(POINTS))
    rebuild(folder, figures=False)
    best = folder / "best"
    assert names(best) == {"knee", "recon", "kl"}
    assert all(names(best / name) == ALWAYS for name in names(best))
    text = (best / "knee/configuration.yaml").read_text()
    assert "# demo: the knee of the front, trial 1.\n" in text
    assert "# stitch_fvu: 0.3\n" in text
    source = folder / "trials/1"
    assert text.endswith((source / "configuration.yaml").read_text())
    assert yaml.safe_load(text) == {"seed": 1, "epochs": 4}
    assert (best / "knee/model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()


def test_the_record_lists_every_file_with_its_sum(maker):
    folder = maker.write(maker.rows(POINTS))
    rebuild(folder, figures=False)
    knee = folder / "best/knee"
    record = read_record(knee)
    assert record is not None
    assert (record.run, record.name, record.chosen_from, record.trial, record.trials) == (
        "demo",
        "knee",
        "front",
        "1",
        ("1",),
    )
    assert set(record.files) == ALWAYS - {"export.json"}
    for name, digest in record.files.items():
        assert hashlib.sha256((knee / name).read_bytes()).hexdigest() == digest
    assert changed_files(knee, record) == []
    (knee / "model.safetensors").write_bytes(b"other")
    (knee / "README.md").unlink()
    assert sorted(changed_files(knee, record)) == ["README.md", "model.safetensors"]


def test_tables_go_with_their_trial_and_the_vocabulary_gets_a_file(maker):
    folder = maker.write(maker.rows(POINTS))
    source = folder / "trials/1"
    (source / "codes.csv").write_text("codes of 1\n")
    (source / "vocabulary.json").write_text("scores of 1\n")
    (source / "codes.csv.part").write_text("half of a tab")
    (source / "configuration.yaml").write_text("seed: 1\nvocabulary: {name: v, classes: {a: [x], b: [y]}}\n")
    assert rebuild(folder, figures=False).warnings == ()
    knee = folder / "best/knee"
    assert names(knee) == ALWAYS | {"codes.csv", "vocabulary.json", "vocabulary.yaml"}
    assert (knee / "codes.csv").read_text() == "codes of 1\n"
    assert yaml.safe_load((knee / "vocabulary.yaml").read_text()) == {"name": "v", "classes": {"a": ["x"], "b": ["y"]}}
    (source / "vocabulary.json").unlink()
    rebuild(folder, figures=False)
    assert "vocabulary.json" not in names(knee)


def test_files_of_the_user_stay(maker):
    folder = maker.write(maker.rows(POINTS))
    rebuild(folder, figures=False)
    mine = [folder / "best/notes.txt", folder / "best/mine.yaml", folder / "best/knee/notes.csv"]
    (folder / "best/own").mkdir()
    mine.append(folder / "best/own/model.safetensors")
    for path in mine:
        path.write_text("mine")
    assert rebuild(folder, figures=False).warnings == ()
    assert all(path.read_text() == "mine" for path in mine)


def test_a_folder_that_no_export_wrote_is_left_and_named(maker):
    folder = maker.write(maker.rows(POINTS))
    (folder / "best/knee").mkdir(parents=True)
    (folder / "best/knee/thesis.txt").write_text("mine")
    (folder / "best/kl").write_text("a file")
    made = rebuild(folder, figures=False)
    assert names(folder / "best/knee") == {"thesis.txt"}
    assert (folder / "best/kl").read_text() == "a file"
    assert [line.partition(": ")[2][:24] for line in made.warnings] == [
        "was not written by an ex",
        "is a file where a folder",
    ]
    assert names(folder / "best/recon") == ALWAYS


@pytest.mark.slow
def test_points_that_the_front_no_longer_has_go(maker):
    folder = maker.write(maker.rows(POINTS))
    rebuild(folder, figures=False)
    (folder / "best/kl/notes.txt").write_text("mine")
    space = (folder / "space.yaml").read_text().replace("name: kl\n", "name: text\n")
    (folder / "space.yaml").write_text(space)
    rebuild(folder, figures=False)
    assert names(folder / "best") == {"knee", "recon", "text", "kl"}
    assert names(folder / "best/kl") == {"notes.txt"}


@pytest.mark.slow
def test_missing_parts_are_warnings(maker):
    folder = maker.write(maker.rows(POINTS))
    rebuild(folder, figures=False)
    (folder / "trials/1/model.safetensors").unlink()
    (folder / "trials/2/configuration.yaml").unlink()
    made = rebuild(folder)
    assert [line.split(" is missing")[0].split("trials/")[1] for line in made.warnings] == [
        "1/model.safetensors",
        "2/configuration.yaml",
    ]
    trial = "demo/trials/1"
    assert made.warnings[0].endswith(f"; train it again with python -m model.train {trial} --out {trial}")
    assert names(folder / "best/knee") == ALWAYS - {"model.safetensors"}
    assert names(folder / "best/kl") == ALWAYS - {"configuration.yaml"}
    assert "model.safetensors is missing" in (folder / "report.html").read_text()


def weights(about):
    header = json.dumps({"__metadata__": {"about": json.dumps(about)}}).encode()
    return struct.pack("<Q", len(header)) + header


@pytest.mark.slow
def test_what_a_checkpoint_says_of_itself_becomes_its_config(maker, tmp_path):
    folder = maker.write(maker.rows(POINTS))
    (folder / "trials/1/model.safetensors").write_bytes(weights({"classes": ["a", "b"]}))
    rebuild(folder, figures=False)
    assert json.loads((folder / "best/knee/config.json").read_text()) == {"about": {"classes": ["a", "b"]}}
    assert not (folder / "best/recon/config.json").exists()
    for content in (b"", b"toy", struct.pack("<Q", 3) + b"[1]", struct.pack("<Q", 2) + b"{}", weights([1])):
        (tmp_path / "odd.safetensors").write_bytes(content)
        assert checkpoint_about(tmp_path / "odd.safetensors") == {}


@pytest.mark.slow
def test_the_card_is_one_that_the_hub_reads(maker):
    study = {"dataset": "Gait", "data_fingerprint": "ab12", "recordings": {"train": 28, "validation": 12}}
    provenance = {"versions": {"torch": "2.13.0"}, "study": {**study, "nested": {"deep": {"x": 1}}}}
    rows = maker.rows(POINTS, accuracy=0.5)
    folder = maker.write(rows, provenance=provenance)
    rebuild(folder, figures=False)
    card = ModelCard.load(folder / "best/knee/README.md")
    (one, *_), data = card.data.eval_results, card.data
    assert (data.library_name, data.model_name) == ("shape-action-search", "demo-knee")
    assert (one.metric_type, one.metric_value, one.dataset_name, one.dataset_split, one.metric_args) == (
        "stitch_fvu",
        0.3,
        "Gait",
        "validation",
        {"seeds": 1},
    )
    assert [result.metric_type for result in data.eval_results] == ["stitch_fvu", "action_kl_ratio", "window_samples"]
    for part in ("recordings: train 28, validation 12", "| `stitch_fvu < 1` | 0.3 | yes |", "| `accuracy` | 0.5 |"):
        assert part in card.text
    assert "nested" not in card.text
    assert "among 4 finished trials" in card.text


def test_the_card_of_a_point_with_several_seeds_has_their_spread(maker):
    shared = {"codebook_size": 8, "action_weight": 0.5, "num_sub_actions": 9, "method": "action_head"}
    values = [(0.30, 0.30), (0.32, 0.36), (0.40, 0.30)]
    rows = [
        maker.row(n, stitch_fvu=x, action_kl_ratio=y, window_samples=16.0, **shared) for n, (x, y) in enumerate(values)
    ]
    folder = maker.write(rows)
    rebuild(folder, figures=False)
    card = ModelCard.load(folder / "best/knee/README.md")
    result = card.data.eval_results[0]
    assert result.metric_value == pytest.approx(0.34)
    assert result.metric_args["seeds"] == 3
    assert result.metric_args["standard_deviation"] == pytest.approx(0.0028**0.5)  # (16 + 4 + 36) / 2 · 1e-4
    assert "of 3 seeds of this point the nearest to their means" in card.text
    assert "| `stitch_fvu` | 0.34 | 0.05292 | 0.36 |" in card.text, "the mean of those after the first, 0.32 and 0.40"
    record = read_record(folder / "best/knee")
    assert record is not None
    assert record.trials == ("0", "1", "2")
