"""The benchmarks of the search: their clocks and counts by hand-made cases, their mistakes in one line."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from multiprocessing.pool import ThreadPool
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.search import overhead, overhead_runs, quality, replay, scale, table
from search.space.reading import read_space

SPACE = read_space(table.SPACE)


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
    ("script", "arguments", "message"),
    [
        (overhead, ["--trials", "0"], "Invalid value for '--trials': 0 is not in the range x>=1"),
        (overhead, ["--ways", "thiers"], "'thiers' is not one of"),
        (quality, ["--table", "absent.csv.gz"], "--table absent.csv.gz: no such file"),
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
    """A table of the benchmark's grid with made-up values: recon falls with w, kl rises, both fall with epochs."""
    lines = []
    for number, point in enumerate(table.configurations()):
        for epoch in sorted(table.evaluated(SPACE.budget.epochs)):
            w, late = point["action_weight"], 1.5 - 0.5 * epoch / SPACE.budget.epochs
            values = dict.fromkeys(SPACE.metrics, 2.0)
            values |= {"stitch_fvu": min(0.99, w * late), "action_kl_ratio": (1 - w) ** 2 * late, "window_samples": 9.0}
            lines.append({"configuration": number, **point, "epoch": epoch, "seconds": 0.1 * epoch} | values)
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
    point = {"codebook_size": 16, "num_sub_actions": 12, "method": "action_head"}
    listed = Listed([{**point, "action_weight": w} for w in (0.2, 0.5, 0.8)], {1: 6})
    progress = replay.replay(listed, found, SPACE, slots=1, budget_epochs=2 * 48 + 6)
    assert listed.ends == [(0, 48, True), (1, 6, False), (2, 48, True)]
    assert progress.epochs.tolist() == [48, 102]
    # Points (0.2, 0.64) and (0.8, 0.04) below the reference (1, 1): two rectangles, their overlap counted once.
    first, second = 0.8 * 0.36, 0.2 * 0.96
    np.testing.assert_allclose(progress.hypervolume, [first, first + second - 0.2 * 0.36])
    assert progress.spent_until(first - 1e-9) == 48
    assert progress.spent_until(0.9) == float("inf")
    assert [progress.at(epochs) for epochs in (10, 48, 101, 102)] == pytest.approx(
        [0.0, first, first, first + second - 0.2 * 0.36]
    )


def test_slots_work_side_by_side(grid):
    found = replay.read_table(grid, SPACE)
    point = {"codebook_size": 16, "num_sub_actions": 12, "method": "action_head", "action_weight": 0.5}
    listed = Listed([point], {0: 6})
    replay.replay(listed, found, SPACE, slots=2, budget_epochs=150)
    assert listed.ends[0] == (0, 6, False)
    assert listed.ends[1] == (1, 48, True)
    assert listed.ends[2] == (2, 48, True), "the slot of the trial that was stopped took the next one at once"


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
        "6",
        "--jobs",
        "1",
    ]
    options = SimpleNamespace(**quality.main.make_context("quality", arguments).params)
    for halving in (False, True):
        progress = quality.one_search((options, quality.Method("random", halving), 0))
        assert progress.hypervolume[-1] > 0.2
        assert (progress.trials > 600 / 48 + 6) == halving


def test_a_table_that_was_stopped_goes_on_and_is_packed_sorted(grid, tmp_path, monkeypatch):
    header, *lines = gzip.decompress(grid.read_bytes()).decode().splitlines()
    out, part = tmp_path / "table.csv.gz", tmp_path / "table.csv.part"
    assert table.missing(part) == list(range(224))
    part.write_text("\n".join([header, *lines[:-1]]) + "\n")
    assert table.missing(part) == [223]
    part.write_text("\n".join([header, *lines[::-1]]) + "\n")
    monkeypatch.setattr(table.multiprocessing, "get_context", lambda _: SimpleNamespace(Pool=ThreadPool))
    monkeypatch.setattr(table, "_load", lambda: None)
    table.build(out, jobs=1)
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
