import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from model.sub_actions.__main__ import main

SHIPPED = Path(__file__).parents[3] / "spaces" / "sub_actions" / "basic_motions.yaml"
FEW = {"walk": ["lift the foot", "step forward", "step [bold]$x_1$"], "stop": ["lower the foot", "stand"]}
PICTURES = {f"{name}.{ending}" for name in ("similarity", "dendrogram", "ownership") for ending in ("png", "svg")}


@pytest.fixture(autouse=True)
def one_encoder(encoder, monkeypatch):
    """The encoder is loaded once; a name still goes to the real one."""
    from model.sub_actions import encoder as text_encoder

    real = text_encoder.TextEncoder
    monkeypatch.setattr(text_encoder, "TextEncoder", lambda name=None: encoder if name is None else real(name))


@pytest.fixture
def few(tmp_path):
    return write(tmp_path, FEW)


def write(folder, classes):
    path = folder / "few.yaml"
    path.write_text(yaml.safe_dump({"name": "few", "classes": classes}, sort_keys=False))
    return path


@pytest.mark.slow
def test_a_shipped_vocabulary_is_shown_and_drawn(tmp_path, capsys):
    assert main([str(SHIPPED), "--out", str(tmp_path / "made")]) == 0
    out = capsys.readouterr().out
    assert "40 phrases (32 different) of 4 classes: 12 sub-actions, 6 shared by several classes, 6 not" in out
    assert "numbers of sub-actions at which every class is distinct: 4-32" in out
    assert "first merge not made, at similarity 0.440: body bobs" in out
    assert "warning" not in out
    assert {path.name for path in (tmp_path / "made").iterdir()} == PICTURES | {"sub_actions.csv", "vocabulary.json"}
    with (tmp_path / "made" / "sub_actions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert (rows[0]["name"], rows[0]["phrases"], rows[0]["classes"], rows[0]["owned"]) == (
        "acceleration peaks at landing",
        "acceleration peaks | acceleration peaks at landing",
        "running | badminton",
        "shared",
    )
    assert sum(row["owned"] == "own" for row in rows) == 6
    assert [row["alternatives"] for row in rows[:5]] == ["", "", "", "", "steps repeat"]
    assert "identifiable (higher is better): 9 different ownerships of 12 sub-actions; cannot be told apart: " in out
    assert "4 of 4 classes find their own title" in out


@pytest.mark.slow
def test_pictures_repeat_to_the_byte(few, tmp_path):
    for name in ("one", "two"):
        assert main([str(few), "--out", str(tmp_path / name)]) == 0
    for name in PICTURES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.slow
def test_a_default_that_is_not_possible_is_said_and_the_nearest_is_taken(few, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([str(few)]) == 0
    out = capsys.readouterr().out
    assert "note: 12 sub-actions, the default of training, are not possible here (2-5 are); these are 5" in out
    assert "step [bold]$x_1$" in out
    assert "written to runs/vocabularies/few" in out
    assert (tmp_path / "runs/vocabularies/few/ownership.svg").exists()


@pytest.mark.slow
def test_opposites_are_told_of_and_kept_apart(few, tmp_path, capsys):
    out = ["--out", str(tmp_path)]
    for together in ("--merge-opposites", "--linkage=single"):
        assert main([str(few), "--k", "4", together, *out]) == 0
        said = capsys.readouterr().out
        assert "warning: opposites in one sub-action (lift/lower): lift the foot + lower the foot" in said
        assert "warning: --keep-opposites-apart forbids it; it is the default of all linkages that can" in said
    for apart in ("--keep-opposites-apart", "--linkage=complete"):
        assert main([str(few), "--k", "4", apart, *out]) == 0
        said = capsys.readouterr().out
        assert "opposites kept apart" in said
        assert "warning:" not in said
        assert "\nkept apart, though at similarity" in said


@pytest.mark.slow
def test_a_threshold_says_how_many_it_leaves(few, tmp_path, capsys):
    assert main([str(few), "--threshold", "0.7", "--linkage", "complete", "--out", str(tmp_path)]) == 0
    assert "note: the threshold 0.7 leaves" in capsys.readouterr().out


@pytest.mark.slow
def test_several_vocabularies_are_one_table_of_scores(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = [str(SHIPPED), str(SHIPPED.with_name("epilepsy.yaml"))]
    assert main(files) == 0
    output = capsys.readouterr().out
    for stem in ("basic_motions", "epilepsy"):
        row = next(line for line in output.splitlines() if line.strip().startswith(stem))
        assert re.search(r"\b4 of 4\b", row)
    assert "title rebuilt" not in output
    assert main([*files, "--k", "20"]) == 0
    assert re.search(r"basic_motions .* 4-32 +20 +0\.40 ", capsys.readouterr().out)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("classes", "options", "message"),
    [
        (FEW, ["--k", "many"], "Invalid value for '--k': 'many' is not a valid integer"),
        (FEW, ["--k", "9"], "--k: 9 sub-actions cannot be made of 5 different phrases"),
        (FEW, ["--k", "1", "--merge-opposites"], "own the same ones and cannot be told apart: possible are 2-5, or"),
        (FEW, ["--k", "1"], "--k: 1 sub-actions cannot keep opposites apart: at 2 only"),
        (FEW, ["--k", "3", "--threshold", "0.5"], "--threshold cannot be given together with --k"),
        (FEW, ["--threshold", "nan"], "Invalid value for '--threshold': nan is no number"),
        (
            FEW,
            ["--threshold", "-1", "--merge-opposites"],
            "--threshold -1 leaves 1 sub-actions, too few to tell all classes apart",
        ),
        (FEW, ["--linkage", "ward"], "'ward' is not one of 'average', 'complete', 'single'"),
        (FEW, ["--linkage", "single", "--keep-opposites-apart"], "needs --linkage average or complete, not single"),
        (FEW, ["--text-encoder", "./none"], "text encoder ./none: no such folder"),
        (FEW, ["--keep-oposites"], "No such option '--keep-oposites'. (Did you mean one of: '--keep-opposites-apart'"),
        ({"walk": ["a b", "c d"], "run": ["c d", "a b"]}, [], "the classes walk and run have the same phrases"),
        ({"walk": []}, [], "two or more classes are needed"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, classes, options, message):
    assert main([str(write(tmp_path, classes)), *options]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert message in said.err
    assert said.err.count("\n") == 1


TWO = "name: x\nclasses: {a: [lift foot], b: [sit]}\n"


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        (None, [], "vocabulary file .*none.yaml cannot be read"),
        ("name: x\nclasses: {a: [lift foot]}\n", [], "two or more classes are needed"),
        (TWO.replace("sit", "lift foot"), [], "none.yaml: the classes a and b have the same phrases"),
        (TWO, ["--k", "9"], "none.yaml: --k: 9 sub-actions cannot be made"),
        (TWO, ["--text-encoder", "./nowhere"], "no such folder"),
        (TWO, ["--out", "here"], "--out: is for one vocabulary"),
        (f"{TWO}titles: {{a: ''}}", [], "none.yaml: titles: class a has an empty title"),
    ],
)
def test_one_bad_file_of_several_is_one_line(tmp_path, capsys, content, options, expected):
    file = tmp_path / "none.yaml"
    if content is not None:
        file.write_text(content)
    assert main([str(SHIPPED), str(file), *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(f"error: .*{expected}.*\n", captured.err)


def test_files_and_folders_that_cannot_be_used(few, tmp_path, capsys):
    assert main([str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml cannot be read: No such file" in capsys.readouterr().err
    assert main([str(few), "--out", str(few)]) == 2
    assert f"--out: {few} cannot be written to (File exists)" in capsys.readouterr().err
    assert main([]) == 2
    assert "Missing argument 'FILE...'" in capsys.readouterr().err


def test_an_interruption_is_no_traceback(few, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("model.sub_actions.__main__.MergeTree", interrupted)
    assert main([str(few)]) == 130
    assert capsys.readouterr().err == "stopped\n"


def test_it_runs_as_a_module():
    command = [sys.executable, "-m", "model.sub_actions", "none.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=SHIPPED.parents[2])
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
