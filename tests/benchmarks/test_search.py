"""The benchmarks of the search: their clocks and counts by hand-made cases, their mistakes in one line."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing.pool import ThreadPool
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.search import overhead, overhead_runs, quality, replay, scale, start, table
from benchmarks.search.lines import Lines
from search.space.reading import parse_space, read_space

SPACE = read_space(table.SPACE)
POINT = {"codebook_size": 16, "num_sub_actions": 11, "method": "action_head"}


def test_overhead_is_what_loops_leave_of_the_slots():
    """Two slots that begin 0.3 s apart, loops of 1 s, 0.1 s between them."""
    loops = [(10 + 0.3 * slot + 1.1 * n, 11 + 0.3 * slot + 1.1 * n) for slot in range(2) for n in range(40)]
    found = overhead.cost(5.0, loops, 2)
    assert found.first_s == pytest.approx(5.0)
    assert found.overhead_s == pytest.approx(0.1, rel=0.05)
    assert found.utilisation == pytest.approx(1 / 1.1, rel=0.01)
    assert found.whole_s == pytest.approx(5 + 0.3 + 39 * 1.1 + 1)


def test_slots_without_a_gap_are_in_use_all_the_time():
    loops = [(0.5 * slot + n, 0.5 * slot + n + 1) for slot in range(2) for n in range(10)]
    found = overhead.cost(0.0, loops, 2)
    assert (found.overhead_s, found.utilisation) == (pytest.approx(0.0), pytest.approx(1.0))


def test_optuna_alone_runs_the_same_loops():
    loops = overhead_runs.optuna_alone(4, 2, 0.001)
    assert len(loops) == 4
    assert all(ended - began >= 0.009 for began, ended in loops)


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("ray::ResourceTrainable.train", "trial actor"),
        ("ray::RayTrainWorker", "worker"),
        ("ray::TrainStateActor", start.RAY),
        ("ray::IDLE", start.RAY),
        ("python -m search.worker.nursery /tmp/socket", "nursery"),
        ("python -m search.run start.yaml --out run", start.DRIVER),
    ],
)
def test_processes_of_a_search_are_told_apart(title, kind):
    assert start.kind_of(title.replace("python", start.sys.executable)) == kind


def test_memory_of_what_a_process_has_started_is_counted():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        every = start.tree(os.getpid())
        assert child.pid in every
        assert start.memory(every, os.getpid(), 2)["all"] > 0
        child.communicate(b"\n")


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        (overhead, ["--trials", "0"], "Invalid value for '--trials': 0 is not in the range x>=1"),
        (overhead, ["--ways", "thiers"], "'thiers' is not one of"),
        (quality, ["--table", "absent.csv.gz"], "--table absent.csv.gz: no such file"),
        (quality, ["--data", "epilepsie"], "'epilepsie' is not one of"),
        (quality, ["--kinds", "line"], "'line' is not one of"),
        (table, ["--out", "table.csv"], "--out table.csv: expected a .csv.gz file in an existing folder"),
        (table, [], "Missing option '--out'"),
    ],
)
def test_mistakes_are_one_line(capsys, monkeypatch, tmp_path, script, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert script.main(arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert message in lines[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "is no table"), ("x\n1,2\n1,2,3\n", "is no table"), ("x\n1\n", "has no column codebook_size")],
)
def test_what_is_no_table_is_one_line(capsys, tmp_path, text, reason):
    (tmp_path / "grid.csv").write_text(text)
    assert quality.main(["--table", str(tmp_path / "grid.csv")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"grid.csv: {reason}" in line


@pytest.fixture
def grid(tmp_path) -> Path:
    """A table of the benchmark's grid with made-up values: recon rises with w, naming falls, both fall with epochs."""
    lines = []
    for number, point in enumerate(table.configurations()):
        for replicate, epoch in [*((0, epoch) for epoch in table.evaluated(SPACE.budget.epochs)), (1, 48), (2, 48)]:
            # Further seeds are worse: the first was lucky.
            w, late = point["action_weight"], 1.5 - 0.5 * epoch / SPACE.budget.epochs + 0.3 * replicate
            if replicate and w != 0.2:
                continue
            values = dict.fromkeys(SPACE.metrics, 2.0) | dict.fromkeys(table.BESIDE, 0.5)
            values |= {"stitch_line_ratio": 0.5, "within_class_naming_error": 0.9, "window_samples": 9.0}
            values |= {"stitch_fvu": min(0.99, w * late), "naming_error": (1 - w) ** 2 * late}
            row = {"configuration": number, **point, "replicate": replicate, "epoch": epoch}
            lines.append(row | {"seconds": 0.1 * epoch} | values)
    path = tmp_path / "grid.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write(",".join(lines[0]) + "\n")
        file.writelines(",".join(map(str, line.values())) + "\n" for line in lines)
    return path


class Listed:
    """Proposes listed points and stops listed trials at listed epochs."""

    def __init__(self, points: list[dict[str, Any]], stops: Mapping[int, int]):
        self.points, self.stops, self.ends = points, stops, []

    def propose(self, trial: int) -> dict[str, Any]:
        return self.points[trial % len(self.points)]

    def goes_on(self, trial: int, epoch: int, metrics: Mapping[str, float]) -> bool:
        return epoch < self.stops.get(trial, 10**6)

    def ended(self, trial: int, epoch: int, metrics: Mapping[str, float], finished: bool) -> None:
        self.ends.append((trial, epoch, finished))


def test_a_replay_spends_what_its_trials_were_trained(grid):
    found = replay.read_table(grid, SPACE)
    listed = Listed([{**POINT, "action_weight": w} for w in (0.2, 0.5, 0.8)], {1: 8})
    progress = replay.replay(listed, found, SPACE, slots=1, budget_epochs=2 * 48 + 8)
    assert listed.ends == [(0, 48, True), (1, 8, False), (2, 48, True)]
    assert progress.epochs.tolist() == [48, 104]
    assert progress.front == 2
    # Points (0.2, 0.64) and (0.8, 0.04) below the reference (1, 1): two rectangles, their overlap counted once.
    first, second = 0.8 * 0.36, 0.2 * 0.96
    np.testing.assert_allclose(progress.hypervolume, [first, first + second - 0.2 * 0.36])
    assert progress.spent_until(first - 1e-9) == 48
    assert progress.spent_until(0.9) == float("inf")
    assert [progress.at(epochs) for epochs in (10, 48, 103, 104)] == pytest.approx(
        [0.0, first, first, first + second - 0.2 * 0.36]
    )


def test_slots_work_side_by_side(grid):
    found = replay.read_table(grid, SPACE)
    listed = Listed([{**POINT, "action_weight": 0.5}], {0: 8})
    replay.replay(listed, found, SPACE, slots=2, budget_epochs=150)
    assert listed.ends[0] == (0, 8, False)
    assert listed.ends[1] == (1, 48, True)
    assert listed.ends[2] == (2, 48, True), "the slot of the trial that was stopped took the next one at once"


def test_lines_cost_their_last_step(grid):
    found = replay.read_table(grid, SPACE)
    sweep = {"parameter": "action_weight", "factors": [0.5], "epochs": 6}
    space = parse_space(SPACE.document() | {"sweep": sweep}, table.SPACE)
    line = {**POINT, "action_weight": 0.1, "line": "0.2 > 0.1"}
    asked = []

    def at(configuration, values):
        asked.append((configuration, values))
        return found.at(configuration, -1) | {"stitch_fvu": 0.1}

    listed = Listed([{**POINT, "action_weight": 0.2}, line], {})
    progress = replay.replay(listed, found, space, slots=1, budget_epochs=48 + 6, line=at)
    assert listed.ends == [(0, 48, True), (1, 6, True)]
    assert asked[0] == (found.find({**POINT, "action_weight": 0.2}), (0.2, 0.1))
    assert progress.epochs.tolist() == [48, 54]
    np.testing.assert_allclose(progress.hypervolume, [0.8 * 0.36, 0.9 * 0.36])


def test_what_can_be_expected_is_the_front_of_means_over_seeds(grid):
    """All weights but 0.2 have one seed; that of 0.2 was lucky, its mean has 1.3 times both values."""
    found = replay.read_table(grid, SPACE)
    weights = np.array(table.GRID["action_weight"])
    first, means = (np.stack([weights * late, (1 - weights) ** 2 * late]).T for late in (np.ones(7), np.ones(7)))
    means[1] *= 1.3

    def volume(points):
        x, y = points[np.argsort(points[:, 0])].T
        best = np.minimum.accumulate(np.append(1.0, y))
        return float(((1 - x) * (best[:-1] - best[1:])).sum())

    assert replay.best_hypervolume(found, SPACE) == pytest.approx(volume(first))
    assert replay.expected_hypervolume(found, SPACE) == pytest.approx(volume(means))


def test_what_is_near_the_front_is_trained_again(grid, tmp_path):
    rows = pd.read_csv(grid)
    (tmp_path / "grid.part").write_text(rows[rows["replicate"] == 0].to_csv(index=False))
    left = table.missing(tmp_path / "grid.part", SPACE)
    assert {replicate for _, replicate in left} == {1, 2}
    close = {table.configurations()[number]["action_weight"] for number, _ in left}
    assert close == set(table.GRID["action_weight"]), "all lie on one front"
    worse = rows[rows["replicate"] == 0].copy()
    worse.loc[worse["action_weight"] == 0.5, ["stitch_fvu", "naming_error"]] *= 3.0
    worse.loc[worse["action_weight"] == 0.8, "within_class_naming_error"] = 1.05
    worse.loc[worse["action_weight"] == 0.65, "within_class_naming_error"] = 1.2
    (tmp_path / "grid.part").write_text(worse.to_csv(index=False))
    again = {
        table.configurations()[number]["action_weight"] for number, _ in table.missing(tmp_path / "grid.part", SPACE)
    }
    assert 0.8 in again, "it all but keeps its guard"
    assert not again & {0.5, 0.65}


def test_a_line_that_is_not_recorded_is_refused_without_the_ends(tmp_path):
    lines = Lines(tmp_path / "grid_lines.csv", SPACE, table.SPACE, None)
    with pytest.raises(
        ValueError, match=r"grid_lines.csv: has no line of configuration 3 through 0.2 > 0.12; give --ends"
    ):
        lines.at(3, (0.2, 0.12), 8)
    row = {"configuration": 3, "line": "0.2 > 0.12", "step_epochs": 8, "stitch_fvu": 0.25}
    pd.DataFrame([row]).to_csv(tmp_path / "grid_lines.csv", index=False)
    assert Lines(tmp_path / "grid_lines.csv", SPACE, table.SPACE, None).at(3, (0.2, 0.12), 8) == {"stitch_fvu": 0.25}


@pytest.mark.slow
def test_searches_of_the_benchmark_find_the_made_up_front(grid, tmp_path):
    arguments = [
        "--table",
        str(grid),
        "--samplers",
        "random",
        "--seeds",
        "1",
        "--epochs",
        "600",
        "--rung",
        "8",
        "--jobs",
        "1",
    ]
    options = SimpleNamespace(**quality.main.make_context("quality", arguments).params)
    for kind in ("plain", "halving"):
        progress = quality.one_search((options, quality.Method("random", kind), 0))
        assert progress.hypervolume[-1] > 0.2
        assert (progress.trials > 600 / 48 + 6) == (kind == "halving")


def test_a_table_that_was_stopped_goes_on_and_is_packed_sorted(grid, tmp_path, monkeypatch):
    header, *lines = gzip.decompress(grid.read_bytes()).decode().splitlines()
    out, part = tmp_path / "table.csv.gz", tmp_path / "table.csv.part"
    assert table.missing(part, SPACE) == [(number, 0) for number in range(224)]
    part.write_text("\n".join([header, *lines[:-1]]) + "\n")
    assert table.missing(part, SPACE) == [(223, 0)]
    part.write_text("\n".join([header, *lines[::-1]]) + "\n")
    monkeypatch.setattr(table.multiprocessing, "get_context", lambda _: SimpleNamespace(Pool=ThreadPool))
    monkeypatch.setattr(table, "_load", lambda space, file: None)
    monkeypatch.setattr(table, "near", lambda rows, space: [])
    table.build(SPACE, table.SPACE, out, None, jobs=1)
    assert out.read_bytes() == gzip.compress(gzip.decompress(grid.read_bytes()), mtime=0)
    assert not part.exists()


def test_a_table_with_a_gap_is_refused(grid):
    lines = gzip.decompress(grid.read_bytes()).decode().splitlines()
    with gzip.open(grid, "wt") as file:
        file.write("\n".join(lines[:100] + lines[101:]) + "\n")
    with pytest.raises(ValueError, match="not every configuration has every epoch"):
        replay.read_table(grid, SPACE)


def test_quarters_of_a_search():
    """Four trials a second for ten seconds, then two a second for ten, memory growing by 1 MiB a second."""
    ended = [n / 4 for n in range(41)] + [10 + n / 2 for n in range(1, 21)]
    samples = [(second, 100.0 + second) for second in range(21)]
    found = scale.quarters(ended, samples)
    assert found["trials_per_s"] == pytest.approx([4.0, 4.0, 3.0, 2.0])
    assert found["memory_mib"] == sorted(found["memory_mib"])
    assert 101 < found["memory_mib"][0] < 103
