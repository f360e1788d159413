"""`python -m model.annotate`: its table against the model, every source and mistake, and nothing half-written."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from model.annotate import HEADER, main
from model.configuration.reading import Configuration
from model.network.alignment import ClassText
from model.network.building import build_model
from model.pretrained.shape_action import ShapeAction

CHANNELS = ["acc x", "acc y"]


@pytest.fixture
def folder(small: dict, class_text: ClassText, tmp_path: Path) -> Path:
    """A small model, exported; its training recordings had 40 samples."""
    return exported(small, class_text, tmp_path / "model")


def exported(small: dict, text: ClassText, folder: Path, **architecture: object) -> Path:
    c = Configuration(**small | {"architecture": small["architecture"] | architecture})
    metadata = {"configuration": json.loads(c.model_dump_json()), "channels": CHANNELS, "native_samples": 40}
    metadata["sub_actions"] = ["stand, still", "b", "c", "d", "e"]
    ShapeAction(build_model(c, text, 2), metadata).save_pretrained(folder)
    return folder


@pytest.fixture
def raw() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 2, 40)).cumsum(-1)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_csv(path: Path, x: np.ndarray, header: list[str]) -> None:
    np.savetxt(path, x.T, delimiter=",", header=",".join(header), comments="")


def test_a_row_says_what_the_model_says(folder: Path, raw: np.ndarray, tmp_path: Path, capsys) -> None:
    np.savez(tmp_path / "new.npz", X=raw)
    out = tmp_path / "tokens.csv"
    assert main([str(folder), str(tmp_path / "new.npz"), "--out", str(out), "--device", "cpu"]) == 0
    printed, err = capsys.readouterr()
    assert (printed, err) == (f"{out} is written: 48 tokens of 3 recordings\n", "")
    found, tokens = rows(out), ShapeAction.from_pretrained(folder).tokenize(raw)
    assert tuple(found[0]) == HEADER
    # The third class alone owns d and e, so that they are one to choose from.
    joined = np.concatenate([tokens.probabilities[..., :3], tokens.probabilities[..., 3:].sum(-1, keepdims=True)], -1)
    last = 3 + tokens.probabilities[..., 3:].argmax(-1)
    chosen = np.where(joined.argmax(-1) == 3, last, joined.argmax(-1))
    written = ["stand, still", "b", "c", "d | e", "e | d"]
    expected = [
        {
            "recording": str(r),
            "channel": CHANNELS[c],
            "token": str(n),
            "start": f"{tokens.start[r, c, n]:.2f}",
            "end": f"{float(tokens.start[r, c, n]) + float(tokens.length[r, c, n]):.2f}",
            "code": str(tokens.codes[r, c, n]),
            "sub_action": str(chosen[r, c, n]),
            "probability": f"{joined[r, c, n].max():.4f}",
            "phrase": written[chosen[r, c, n]],
        }
        for r, c, n in np.ndindex(3, 2, 8)
    ]
    assert found == expected
    assert {"d | e", "e | d"} & {row["phrase"] for row in found}


def test_every_source_gives_the_same_rows(folder: Path, raw: np.ndarray, tmp_path: Path, capsys) -> None:
    raw = np.round(raw, 6)
    np.savez(tmp_path / "new.npz", X=raw[:2], y=["a", "b"], X_test=raw[2:], y_test=["a"], channels=CHANNELS)
    text = "@problemName new\n@timeStamps false\n@univariate false\n@dimensions 2\n@equalLength true\n"
    text += "@seriesLength 40\n@classLabel true a b\n@data\n"
    for recording, label in zip(raw, "aba", strict=True):
        text += ":".join(",".join(map(repr, channel.tolist())) for channel in recording) + f":{label}\n"
    (tmp_path / "new.ts").write_text(text)
    (tmp_path / "files/deep").mkdir(parents=True)
    seconds = np.arange(40)[None] / 50
    for name, recording in zip(("a", "b", "deep/c"), raw, strict=True):
        shuffled = np.concatenate([recording[::-1], seconds, seconds])
        write_csv(tmp_path / f"files/{name}.csv", shuffled, ["acc y", "acc x", "extra", "s"])
    (tmp_path / "files/labels.csv").write_text("file,label\na.csv,a\n")
    tables = {}
    for data, more in (("new.npz", []), ("new.ts", []), ("files", ["--time", "s"]), ("files/b.csv", ["--time", "s"])):
        out = tmp_path / f"{data.replace('/', '-')}.out.csv"
        assert main([str(folder), str(tmp_path / data), "--out", str(out), *more]) == 0
        tables[data] = rows(out)
    assert capsys.readouterr().err == ""
    names = [list(dict.fromkeys(row.pop("recording") for row in table)) for table in tables.values()]
    assert names == [["0", "1", "test 0"], ["0", "1", "2"], ["a.csv", "b.csv", "deep/c.csv"], ["b.csv"]]
    assert tables["new.npz"] == tables["new.ts"] == tables["files"]
    assert tables["files/b.csv"] == tables["files"][16:32]


def test_a_data_set_by_its_name(small: dict, class_text: ClassText, tmp_path: Path) -> None:
    values = small | {"architecture": small["architecture"] | {"channels": "fused"}}
    c = Configuration(**values)
    metadata = {"configuration": json.loads(c.model_dump_json()), "channels": [f"channel {n}" for n in range(6)]}
    metadata["sub_actions"] = list("abcde")
    ShapeAction(build_model(c, class_text, 6), metadata).save_pretrained(tmp_path / "model")
    assert main([str(tmp_path / "model"), "BasicMotions", "--out", str(tmp_path / "out.csv")]) == 0
    found = rows(tmp_path / "out.csv")
    assert len(found) == 80 * 8
    assert {row["channel"] for row in found} == {"all"}, "a token describes every channel"
    assert found[-1]["recording"] == "test 39"


def test_windows(folder: Path, tmp_path: Path, capsys) -> None:
    long = np.random.default_rng(1).normal(size=(1, 2, 130)).cumsum(-1)
    np.savez(tmp_path / "long.npz", X=long)
    out = tmp_path / "out.csv"
    assert main([str(folder), str(tmp_path / "long.npz"), "--out", str(out), "--window", "40", "--step", "30"]) == 0
    assert capsys.readouterr().err == "", "windows are as long as the recordings of training were"
    found = rows(out)
    tokens = ShapeAction.from_pretrained(folder).tokenize(
        np.stack([long[0, :, at : at + 40] for at in (0, 30, 60, 90)])
    )
    assert [int(row["code"]) for row in found] == tokens.codes.ravel().tolist()
    assert [int(row["token"]) for row in found if row["channel"] == "acc y"] == list(range(32))
    first_of_last = next(row for row in found if row["token"] == "24")
    assert float(first_of_last["start"]) == pytest.approx(90 + tokens.start[3, 0, 0], abs=0.01)


def test_recordings_of_other_lengths_are_read_with_a_warning(folder: Path, tmp_path: Path, capsys) -> None:
    for name, samples in (("a", 40), ("b", 55), ("c", 55)):
        write_csv(tmp_path / f"{name}.csv", np.random.default_rng(2).normal(size=(2, samples)), ["one", "two"])
    assert main([str(folder), str(tmp_path), "--out", str(tmp_path / "out.tsv")]) == 0
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 2
    assert "channels have other names than in training and are taken in their order: one, two stand for acc x" in err[0]
    assert "recording b.csv is read as 55 samples, those of training had 40" in err[1]
    assert len(rows(tmp_path / "out.tsv")) == 48


def mistakes(tmp_path: Path) -> None:
    np.savez(tmp_path / "three.npz", X=np.zeros((2, 3, 40)))
    np.savez(tmp_path / "flat.npz", X=np.zeros((2, 40)))
    np.savez(tmp_path / "y.npz", y=np.zeros(2))
    broken = np.ones((2, 2, 40))
    broken[1, 0, 7] = np.inf
    np.savez(tmp_path / "broken.npz", X=broken)
    np.savez(tmp_path / "short.npz", X=np.random.default_rng(0).normal(size=(2, 2, 20)))
    (tmp_path / "note.txt").write_text("no data")
    (tmp_path / "empty").mkdir()
    (tmp_path / "odd").mkdir()
    write_csv(tmp_path / "odd/a.csv", np.ones((2, 40)), CHANNELS)
    write_csv(tmp_path / "odd/b.csv", np.ones((2, 40)), ["acc x", "other"])


@pytest.mark.parametrize(
    ("data", "arguments", "message"),
    [
        (
            "three.npz",
            [],
            "three.npz: this model reads 2 channels (acc x, acc y), but the recordings of shape (2, 3",
        ),
        ("flat.npz", [], "flat.npz: X must be (recordings, channels, length), got (2, 40)"),
        ("y.npz", [], "y.npz: missing X (recordings, channels, length); it holds y"),
        ("broken.npz", [], "broken.npz: recording 1, channel 0, sample 7 is no finite number"),
        ("note.txt", [], "note.txt: cannot be read; give an .npz, .ts or .csv file"),
        ("none.npz", [], "no such file"),
        ("none", [], "none: no such file or folder"),
        ("empty", [], "empty: has no CSV files beside labels.csv"),
        ("odd", [], "b.csv: line 1: the channels are acc x, other, but those of"),
        ("short.npz", ["--window", "30"], "recording 0 has 20 samples, fewer than --window 30"),
        ("short.npz", ["--window", "1"], "--window 1: expected 2 or more"),
        ("short.npz", ["--step", "5"], "--step: is for --window"),
        ("short.npz", ["--time", "s"], "--time s: "),
        ("short.npz", ["--device", "warp"], "--device: 'warp' is none"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    folder: Path, tmp_path: Path, capsys, data: str, arguments: list[str], message: str
) -> None:
    mistakes(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert main([str(folder), str(tmp_path / data), "--out", str(tmp_path / "out.csv"), *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert [line for line in err.splitlines() if not line.startswith("warning: ")] == [err.splitlines()[-1]]
    assert sorted(tmp_path.rglob("*")) == before


def test_the_output_and_the_model(folder: Path, raw: np.ndarray, tmp_path: Path, capsys) -> None:
    np.savez(tmp_path / "new.npz", X=raw)
    data, out = str(tmp_path / "new.npz"), tmp_path / "out.csv"
    out.write_text("mine")
    for arguments, code, message in (
        ([str(folder), data, "--out", str(out)], 2, "is there already; --force replaces it"),
        ([str(folder), data, "--out", str(tmp_path)], 2, "is a folder"),
        ([str(folder), data, "--out", str(tmp_path / "no/out.csv")], 2, "there is no folder"),
        ([str(tmp_path / "no/such/model"), data, "--out", str(tmp_path / "a.csv")], 2, "no such folder"),
        ([str(tmp_path), data, "--out", str(tmp_path / "a.csv")], 2, "cannot be read as a checkpoint"),
    ):
        assert main(arguments) == code
        assert message in capsys.readouterr().err
    assert out.read_text() == "mine"
    for read in (data, str(folder / "config.json")):
        before = Path(read).read_bytes()
        assert main([str(folder), data, "--out", read, "--force"]) == 2
        assert "is what is read; give another file" in capsys.readouterr().err
        assert Path(read).read_bytes() == before
    assert main([str(folder), data, "--out", str(out), "--force"]) == 0
    assert len(rows(out)) == 48


def test_a_full_disk_is_one_line_and_leaves_nothing(
    folder: Path, raw: np.ndarray, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "new.npz", X=raw)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert main([str(folder), str(tmp_path / "new.npz"), "--out", str(tmp_path / "out.csv")]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not list(tmp_path.glob("*out.csv*"))


@pytest.mark.slow
def test_ctrl_c_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "many.npz", X=np.random.default_rng(0).normal(size=(20_000, 2, 40)))
    command = [sys.executable, "-m", "model.annotate", str(folder), str(tmp_path / "many.npz")]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "out.csv")], stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    while not (tmp_path / ".out.csv.part").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert err == "stopped; nothing was written\n"
    assert not list(tmp_path.glob("*out.csv*"))
