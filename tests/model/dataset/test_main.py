from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import model.dataset.__main__
from model.dataset.__main__ import main
from model.dataset.loading import load_dataset
from model.study import ShapeActionStudy

ROOT = Path(__file__).parents[3]
CLASSES = {
    "sit": ["hold wrist level", "rest arm on lap", "keep trunk upright"],
    "walk": ["swing arm forward", "foot strikes ground", "keep trunk upright"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve recordings of three people, 90 samples of two channels each."""
    folder = tmp_path / "my recordings"
    folder.mkdir()
    rng = np.random.default_rng(0)
    table = ["file,label,group"]
    for number in range(12):
        tempo = 9 if number % 2 else 2
        x = np.sin(np.linspace(0, tempo * 6.28, 90))[:, None] + 0.1 * rng.normal(size=(90, 2))
        np.savetxt(folder / f"{number}.csv", x, delimiter=",", header="acc x,acc y", comments="", fmt="%.5f")
        table.append(f"{number}.csv,{sorted(CLASSES)[number % 2]},person {number // 4}")
    (folder / "labels.csv").write_text("\n".join(table))
    return folder


def test_the_same_files_give_the_same_bytes_and_fingerprint(folder: Path) -> None:
    outs = [folder.parent / "one.npz", folder.parent / "deeper" / "two.npz"]
    for out in outs:
        assert main(["csv", str(folder), str(out), "--window", "40", "--step", "10", "--rate", "50"]) == 0
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert b"PK" in outs[0].read_bytes()[:2]
    assert len({load_dataset({"npz": out}).fingerprint for out in outs}) == 1


def test_a_file_that_is_there_is_replaced_only_by_force(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder.parent / "out.npz"
    out.write_text("precious")
    assert main(["csv", str(folder), str(out)]) == 2
    assert "out.npz: is there already; --force replaces it" in capsys.readouterr().err
    assert out.read_text() == "precious"
    assert main(["csv", str(folder), str(out), "--force"]) == 0
    assert len(np.load(out)["X"]) == 12


@pytest.mark.parametrize(
    ("out", "message"), [("out.txt", "the file to write is called NAME.npz"), ("folder.npz", "is a folder")]
)
def test_a_wrong_name_is_refused_before_anything_is_read(
    folder: Path, capsys: pytest.CaptureFixture[str], out: str, message: str
) -> None:
    (folder.parent / "folder.npz").mkdir()
    assert main(["csv", str(folder / "nowhere"), str(folder.parent / out), "--force"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (OSError(28, "No space left on device"), 1)])
def test_what_is_broken_off_leaves_nothing_behind(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
) -> None:
    out = folder.parent / "out.npz"
    out.write_text("precious")

    def broken(path: Path, *_: object) -> None:
        path.write_text("half")
        raise error

    monkeypatch.setattr(model.dataset.__main__, "write_npz", broken)
    assert main(["csv", str(folder), str(out), "--force"]) == code
    assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in folder.parent.iterdir() if path.is_file()] == ["out.npz"]
    assert out.read_text() == "precious"


def test_the_table_counts_classes_parts_and_groups(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["csv", str(folder), str(folder.parent / "out.npz"), "--rate", "50"]) == 0
    printed = capsys.readouterr().out
    rows = [line.replace("│", " ").split() for line in printed.splitlines() if "│" in line]
    assert ["sit", "2", "2", "2", "6"] in rows
    assert ["recordings", "4", "4", "4", "12"] in rows
    assert ["groups", "1", "1", "1", "3"] in rows
    assert "2 channels of 90 samples at 50 per second: acc x, acc y" in printed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"walk": "sit"}, "out.npz: all recordings are of one class (sit)"),
        ({"person 1": "person 0", "person 2": "person 0"}, "out.npz: test part: all recordings are of one group"),
    ],
)
def test_what_cannot_be_trained_on_is_not_written(
    folder: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, str], message: str
) -> None:
    table = (folder / "labels.csv").read_text()
    for old, new in changes.items():
        table = table.replace(old, new)
    (folder / "labels.csv").write_text(table)
    assert main(["csv", str(folder), str(folder.parent / "out.npz")]) == 2
    assert message in capsys.readouterr().err
    assert not (folder.parent / "out.npz").exists()


@pytest.mark.slow
def test_a_converted_set_trains(folder: Path, capsys: pytest.CaptureFixture[str], small: dict) -> None:
    out = folder.parent / "my set.npz"
    assert main(["csv", str(folder), str(out), "--window", "50", "--step", "20"]) == 0
    source = yaml.safe_load(capsys.readouterr().out.splitlines()[-1])
    fixed = small | source | {"vocabulary": {"name": "mine", "classes": CLASSES}}
    resolved = ShapeActionStudy.resolve(fixed, folder)
    study = ShapeActionStudy(resolved)
    assert study.provenance()["channels"] == ["acc x", "acc y"]
    run = study.trial(resolved, "cpu")
    assert np.isfinite(run.train_epoch()["loss"])
    assert np.isfinite(run.evaluate()["stitch_fvu"])


@pytest.mark.slow
def test_the_command_runs_as_it_is_documented(folder: Path) -> None:
    out = folder.parent / "out.npz"
    command = [sys.executable, "-m", "model.dataset", "csv", str(folder), str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"data: {{npz: {out}}}" in done.stdout.replace("'", "")
    assert not done.stderr
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
