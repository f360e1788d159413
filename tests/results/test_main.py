"""The command line: what it prints, and one clear line with exit code 2 for bad input."""

import importlib
import subprocess
import sys

import pytest

from results.__main__ import main

POINTS = [[0.2, 0.9], [0.3, 0.3], [0.9, 0.2]]


@pytest.mark.slow
def test_one_run(maker, capsys):
    folder = maker.write(maker.rows(POINTS))
    assert main([str(folder)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "demo: 3 on the front, hypervolume 0.51" in out
    for part in ("stitch_fvu", "codebook_size", "knee", f"{folder}/front.csv", f"{folder}/best/kl/model.safetensors"):
        assert part in out


@pytest.mark.slow
def test_several_runs_are_united_in_runs_union_by_default(maker, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    maker.write(maker.rows(POINTS), "first")
    maker.write(maker.rows(POINTS), "second")
    assert main(["first", "second"]) == 0
    assert "Union of first and second: 6 on the front" in capsys.readouterr().out
    made = sorted(path.name for path in (tmp_path / "runs/union").iterdir())
    assert made == ["figures", "front.csv", "front.png", "fronts", "report.html"]


def damage(folder):
    (folder / "trials.csv").write_text("trial,verdict\n0,good\n")


def no_guard(folder):
    text = (folder / "space.yaml").read_text().replace("window_samples", "window_length")
    (folder / "space.yaml").write_text(text)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "space.yaml").unlink(), "not a run folder"),
        (lambda folder: (folder / "space.yaml").write_text("a: [\n"), "not YAML"),
        (damage, "trials.csv, line 1: no column state"),
        (no_guard, "guard 'window_length': no trial recorded this metric"),
    ],
)
def test_bad_input_is_one_line(maker, capsys, spoil, message):
    folder = maker.write(maker.rows(POINTS))
    spoil(folder)
    assert main([str(folder)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.slow
def test_no_finished_trial(maker, capsys):
    folder = maker.write([maker.row(0, "failed")])
    assert main([str(folder)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "no finished trial" in err
    assert (folder / "report.html").is_file()


def test_out_needs_several_runs(maker, capsys):
    assert main([str(maker.write(maker.rows(POINTS))), "--out", "x"]) == 2
    assert "--out is for the union of several runs" in capsys.readouterr().err


def test_unwritable_output_is_one_line(maker, tmp_path, capsys):
    first, second = maker.write(maker.rows(POINTS), "first"), maker.write(maker.rows(POINTS), "second")
    (tmp_path / "file").write_text("")
    assert main([str(first), str(second), "--out", str(tmp_path / "file")]) == 2
    assert "file: cannot be made" in capsys.readouterr().err
    assert not (first / "front.csv").exists(), "said before anything is drawn"


@pytest.mark.slow
def test_as_a_program(tmp_path):
    command = [sys.executable, "-m", "results", str(tmp_path / "nowhere")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path}/nowhere: no such folder; give a run folder, such as runs/tradeoff\n"
    help_text = subprocess.run([*command[:3], "--help"], capture_output=True, text=True, check=True).stdout
    assert "RUN" in help_text


@pytest.mark.parametrize("module", ["results", "results.compare", "results.pick"])
def test_ctrl_c_ends_in_one_line(maker, capsys, monkeypatch, module):
    command = importlib.import_module("results.__main__" if module == "results" else module)

    def interrupted(*_):
        raise KeyboardInterrupt

    work = {"results": "rebuild", "results.compare": "compare_runs", "results.pick": "read_run"}
    monkeypatch.setattr(command, work[module], interrupted)
    run = str(maker.write(maker.trade(4)))
    assert command.main([run] + (["--with", run] if module == "results.compare" else [])) == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert "stopped" in line
