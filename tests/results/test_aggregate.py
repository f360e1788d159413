"""A whole rebuild: front.csv, hypervolume.csv, best/, figure and report, for one run and several."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from results import RecordError, aggregate, rebuild, unite
from results.charts.print import files

POINTS = [[0.2, 0.9], [0.3, 0.3], [0.9, 0.2], [0.95, 0.95]]


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_run_is_rebuilt_from_its_records(maker):
    folder = maker.write(maker.rows(POINTS))
    made = rebuild(folder)
    assert made.warnings == ()
    assert all(path.is_file() for path in made.paths)
    front = rows_of(folder / "front.csv")
    assert [(row["names"], row["trial"]) for row in front] == [("recon", "0"), ("knee", "1"), ("kl", "2")]
    recorded = {row["trial"]: row for row in rows_of(folder / "trials.csv")}
    for row in front:
        names, contribution = row.pop("names"), row.pop("contribution")
        assert row == recorded[row["trial"]], names
        assert float(contribution) == pytest.approx({"recon": 0.1 * 0.1, "knee": 0.6 * 0.6, "kl": 0.1 * 0.1}[names])
    history = rows_of(folder / "hypervolume.csv")
    assert [row["front_size"] for row in history] == ["1", "2", "3", "3"]
    assert float(history[-1]["hypervolume"]) == made.hypervolume
    assert made.hypervolume == pytest.approx(0.8 * 0.1 + 0.7 * 0.6 + 0.1 * 0.1)
    assert (folder / "front.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_no_finished_trial_still_gives_a_report(maker):
    folder = maker.write([maker.row(0, "failed", reason="worker <died>")])
    made = rebuild(folder)
    assert (made.hypervolume, len(made.front)) == (0.0, 0)
    assert "none of 1 recorded trials finished; the hypervolume is 0" in made.warnings[0]
    assert "worker &lt;died&gt;" in (folder / "report.html").read_text()
    assert list((folder / "best").iterdir()) == []
    assert rebuild(maker.space("empty"), figures=False).hypervolume == 0


def test_all_guards_broken_says_which(maker):
    made = rebuild(maker.write(maker.rows(POINTS, window_samples=2.0)), figures=False)
    assert made.front.empty
    assert "window_samples ≥ 8 broken by 4" in made.warnings[0]


def test_one_objective(maker):
    one = [{"metric": "stitch_fvu", "name": "recon", "direction": "minimise", "reference": 1.0}]
    made = rebuild(maker.write(maker.rows(POINTS), objectives=one), figures=False)
    assert made.front["names"].tolist() == ["knee+recon"]
    assert made.hypervolume == pytest.approx(0.8)


@pytest.mark.slow
def test_three_objectives_with_one_to_maximise(maker):
    three = [
        {"metric": "stitch_fvu", "name": "recon", "direction": "minimise", "reference": 1.0},
        {"metric": "action_kl_ratio", "name": "kl", "direction": "minimise", "reference": 1.0},
        {"metric": "depth", "name": "depth", "direction": "maximise", "reference": 0.0},
    ]
    rows = [dict(row, depth=float(n)) for n, row in enumerate(maker.rows(POINTS))]
    made = rebuild(maker.write(rows, objectives=three))
    assert len(made.front) == 4
    assert made.front["names"].tolist()[-1] == "depth"
    assert (made.folder / "front.png").is_file()


@pytest.mark.slow
def test_union_keeps_the_origin_of_each_point(maker, tmp_path):
    first = maker.write(maker.rows(POINTS), "first")
    rows = maker.rows([[0.1, 0.95], [0.25, 0.25], [0.95, 0.9]])
    second = maker.write([dict(row, accuracy=0.5) for row in rows], "second")
    singles, union = unite([first, second], tmp_path / "out", figures=False)
    assert [len(single.front) for single in singles] == [3, 2]
    front = rows_of(tmp_path / "out" / "front.csv")
    assert list(front[0])[:3] == ["names", "run", "trial"]
    assert [(row["run"], row["trial"], row["accuracy"]) for row in front] == [
        ("second", "0", "0.5"),
        ("first", "0", ""),
        ("second", "1", "0.5"),
        ("first", "2", ""),
    ]
    assert union.hypervolume > max(single.hypervolume for single in singles)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["front.csv"]
    assert (first / "front.csv").is_file()


def test_union_of_runs_of_the_same_name_and_with_an_empty_one(maker, tmp_path):
    first = maker.write(maker.rows(POINTS[:1]), "a/demo")
    second = maker.write(maker.rows(POINTS[1:2]), "b/demo", guards={})
    third = maker.space("c/demo")
    _, union = unite([first, second, third], tmp_path / "out", figures=False)
    assert union.front["run"].tolist() == ["a/demo", "b/demo"]
    assert any("different guards" in line for line in union.warnings)


def test_unions_that_make_no_sense_are_refused(maker, tmp_path):
    first = maker.write(maker.rows(POINTS), "first")
    other = [{"metric": "stitch_fvu", "name": "recon", "direction": "maximise", "reference": 1.0}]
    second = maker.write(maker.rows(POINTS), "second", objectives=other)
    third = maker.write(maker.rows(POINTS), "third")
    with pytest.raises(RecordError, match=r"second: its objectives \(maximise stitch_fvu from 1\) differ from"):
        unite([first, second], tmp_path / "out", figures=False)
    assert not (first / "front.csv").exists()
    with pytest.raises(RecordError, match="given twice"):
        unite([first, first / "../first"], tmp_path / "out", figures=False)
    with pytest.raises(RecordError, match="is a run folder, its front would be overwritten"):
        unite([first, third], third, figures=False)


@pytest.mark.slow
def test_importing_loads_neither_torch_nor_ray_nor_drawing():
    code = (
        "import sys, results, results.front, results.__main__\n"
        "heavy = {'torch', 'ray', 'search', 'model', 'matplotlib', 'plotly', 'optuna'} & set(sys.modules)\n"
        "print(*sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_the_same_records_give_the_same_bytes_and_a_large_run_is_drawn_beside_its_report(maker, monkeypatch):
    rows = maker.trade(30)
    folder = maker.write(rows)
    rebuild(folder)
    one = contents(folder)
    for written in ("figures", "fronts"):
        shutil.rmtree(folder / written)
    monkeypatch.setattr(aggregate, "MANY_TRIALS", len(rows))
    monkeypatch.setattr(files, "write_others", None)  # here; the other process has its own
    made = rebuild(folder)
    assert contents(folder) == one
    assert {path.parent.name for path in made.paths} >= {"figures", "fronts"}


def process_of(wanted):
    """Return this process, but die by a signal where it is another one than `wanted`."""
    if os.getpid() != wanted:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


@pytest.mark.slow
def test_what_another_process_fails_at_is_made_up_for_here(caplog):
    with aggregate._working(True, os.getpid) as result:
        assert result() != os.getpid()
    with aggregate._working(True, process_of, os.getpid()) as result:
        assert result() == os.getpid()
    assert "process_of in another process: " in caplog.text
    with aggregate._working(True, os.listdir, "no such folder") as result, pytest.raises(FileNotFoundError):
        result()


def runs(process):
    try:
        return bool(Path("/proc", process, "cmdline").read_bytes())  # empty once it has ended, whoever has to reap it
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize(("all_of_them", "sent"), [(True, signal.SIGINT), (False, signal.SIGKILL)])
def test_the_other_process_ends_with_who_asked(all_of_them, sent):
    asker = (
        "import multiprocessing, time; from results.aggregate import _working\n"
        "with _working(True, time.sleep, 600) as result:\n"
        "    print(*(child.pid for child in multiprocessing.active_children()), flush=True); result()"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen([sys.executable, "-c", asker], **pipes) as asking:
        process = asking.stdout.readline().strip()
        (os.killpg if all_of_them else os.kill)(asking.pid, sent)
        said = asking.communicate(timeout=120)[1]
    assert said.count("Traceback") == (1 if all_of_them else 0), said
    deadline = time.monotonic() + 60
    while runs(process):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_the_same_records_give_the_same_bytes_wherever_the_folder_lies(maker, tmp_path, monkeypatch):
    folder = maker.write(maker.trade(24))
    for name, line in (("trials.csv", 3), ("curves.csv", 5)):
        lines = (folder / name).read_text().split("\n")
        lines[line - 1] += ",1"
        (folder / name).write_text("\n".join(lines) + "x")
    (folder / "trials/0/model.safetensors").unlink()
    (folder / "best/recon").mkdir(parents=True)
    (folder / "best/recon/mine.txt").write_text("mine")
    elsewhere = tmp_path / "a b/further/demo"
    shutil.copytree(folder, elsewhere)
    warnings = rebuild(folder).warnings
    monkeypatch.chdir(elsewhere)
    assert rebuild(".").warnings == warnings
    assert len(warnings) >= 5
    assert all(line.startswith("demo/") for line in warnings), warnings
    files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = {path.relative_to(elsewhere): path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()}
    assert files.keys() == again.keys()
    assert [name for name, content in files.items() if again[name] != content] == []
    assert [name for name, content in files.items() if str(tmp_path).encode() in content] == []


def test_runs_of_one_name_are_told_apart_by_the_folders_above(maker, tmp_path):
    folders = [maker.write(maker.trade(4, seed), f"{name}/run") for seed, name in enumerate(("a", "b", "b/c"))]
    folders.append(maker.write(maker.trade(4, 3), "other"))
    with (folders[1] / "trials.csv").open("a") as table:
        table.write("x\n")
    _, union = unite(folders, tmp_path / "out", figures=False)
    assert list(union.view.runs) == ["a/run", "b/run", "c/run", "other"]
    (warning, *_) = union.warnings
    assert warning.startswith("b/run: run/trials.csv, line 6: expected 17 cells, found 1")
