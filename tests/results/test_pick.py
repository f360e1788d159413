"""`python -m results.pick`: the best point within bounds against a search by hand, its errors, its export."""

import re
import subprocess
import sys

import numpy as np
import pytest

from results import rebuild
from results.export.record import read_record
from results.pick import main

POINTS = [[0.2, 0.9], [0.3, 0.3], [0.9, 0.2], [0.95, 0.95]]
BEST = ["--minimise", "action_kl_ratio"]


def trial_of(folder, name="pick"):
    record = read_record(folder / "best" / name)
    assert record is not None
    assert record.chosen_from == "pick"
    return record.trial


@pytest.mark.parametrize("seed", range(4))
def test_the_best_within_bounds_is_found_by_hand(maker, capsys, seed):
    rows = maker.trade(40, seed)
    folder = maker.write(rows)
    able = [r for r in rows if r["state"] == "finished" and r["stitch_fvu"] < 1 and r["window_samples"] >= 8]
    inside = [r for r in able if r["stitch_fvu"] <= 0.5 and r["num_sub_actions"] >= 10]
    arguments = ["--at-most", "stitch_fvu=0.5", "--at-least", "num_sub_actions=10"]
    for rule, choose in (("--minimise", min), ("--maximise", max)):
        assert main([str(folder), *arguments, rule, "action_kl_ratio"]) == 0
        expected = choose(inside, key=lambda r: r["action_kl_ratio"])
        assert trial_of(folder) == str(expected["trial"])
        assert f"trial {expected['trial']}: the " in capsys.readouterr().out


def test_a_list_is_printed_as_it_is(maker, capsys):
    """`[true]` would be a style to the library that prints."""
    parameters = {"sizes": {"type": "choice", "values": [[True], [False]]}}
    rows = maker.rows(POINTS, sizes="[true]")
    for row in rows:
        for name in ("codebook_size", "action_weight", "num_sub_actions", "method"):
            del row[name]
    assert main([str(maker.write(rows, parameters=parameters)), *BEST]) == 0
    assert re.search(r"sizes +\[true\]", capsys.readouterr().out)


def test_it_prints_the_metrics_and_exports_a_folder(maker, capsys):
    folder = maker.write(maker.rows(POINTS))
    assert main([str(folder), "--at-most", "stitch_fvu=0.4", *BEST, "--name", "mine"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for part in ("trial 1: the smallest action_kl_ratio of the trials with stitch_fvu ≤ 0.4", "codebook_size", "0.3"):
        assert part in out
    assert (folder / "best/mine/model.safetensors").read_bytes() == b"weights of 1"
    assert (
        "The smallest action_kl_ratio of the trials with stitch_fvu ≤ 0.4"
        in (folder / "best/mine/README.md").read_text()
    )
    rebuild(folder, figures=False)
    assert trial_of(folder, "mine") == "1", "a rebuild leaves it"
    assert main([str(folder), "--maximise", "stitch_fvu", "--name", "mine"]) == 0
    assert trial_of(folder, "mine") == "3", "a pick of the same name is replaced"


def test_guards_and_states_count(maker):
    rows = maker.rows([[0.2, 0.1], [0.3, 0.3], [0.4, 0.2], [0.5, 0.05]])
    rows[0]["window_samples"] = 4.0
    rows[3]["state"] = "stopped"
    folder = maker.write(rows)
    assert main([str(folder), *BEST]) == 0
    assert trial_of(folder) == "2"


def test_a_point_with_several_seeds_counts_by_its_means(maker, capsys):
    shared = {"codebook_size": 8, "action_weight": 0.5, "num_sub_actions": 9, "method": "action_head"}
    rows = [
        maker.row(n, stitch_fvu=x, action_kl_ratio=0.5, window_samples=16.0, **shared)
        for n, x in enumerate((0.1, 0.5, 0.6))
    ]
    rows.append(maker.row(3, stitch_fvu=0.39, action_kl_ratio=0.5, window_samples=16.0))
    folder = maker.write(rows)
    assert main([str(folder), "--minimise", "stitch_fvu"]) == 0
    assert trial_of(folder) == "3", "0.1 was one lucky seed of a mean of 0.4"
    assert main([str(folder), "--maximise", "stitch_fvu"]) == 0
    assert "means over 3 seeds" in capsys.readouterr().out
    record = read_record(folder / "best/pick")
    assert record is not None
    assert record.trials == ("0", "1", "2")


def test_knees(maker):
    folder = maker.write(maker.rows([[0.1, 1.0], [0.118, 0.64], [0.442, 0.442], [1.0 - 1e-3, 0.1]]))
    for rule, name, trial in (("chord", "pick", "1"), ("utopia", "utopia", "2")):
        assert main([str(folder), "--knee", rule]) == 0
        assert trial_of(folder, name) == trial
    assert main([str(folder), "--knee", "chord", "--at-least", "stitch_fvu=0.2", "--name", "late"]) == 0
    assert trial_of(folder, "late") == "2"


def test_without_a_criterion_it_says_what_there_is(maker, capsys):
    folder = maker.write(maker.rows(POINTS))
    assert main([str(folder)]) == 0
    first = capsys.readouterr().out
    for part in ("knee", "utopia", "recon", "kl", "How sure these choices are cannot be told"):
        assert part in first
    assert "near" not in first.splitlines()[0]
    assert not (folder / "best").exists()
    assert main([str(folder)]) == 0
    assert capsys.readouterr().out == first


def test_with_several_seeds_it_says_how_sure_each_choice_is(maker, capsys):
    rows = maker.rows([*POINTS, *(np.array(POINTS) + 0.01).tolist()])
    for number, row in enumerate(rows):
        row |= {"action_weight": 0.1 * (number % len(POINTS)), "codebook_size": 8, "num_sub_actions": 9}
        row["method"] = "action_head"
    assert main([str(maker.write(rows))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "same  near  rule" in lines[0]
    assert re.search(r"knee +\d+ .* \d+% +\d+%", lines[1])
    assert "Were every point trained again with as many seeds" in lines[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--at-most", "stich_fvu=0.4", *BEST], "stich_fvu: no trial of .* has such a metric; did you mean stitch_fvu"),
        (["--minimise", "qqq"], "qqq: no trial of .* has such a metric; there are .*stitch_fvu"),
        (["--at-most", "method=1", *BEST], "method: no trial of .* has such a metric"),
        (["--at-most", "stitch_fvu=0.1", *BEST], r"stitch_fvu ≤ 0.1: the nearest is 0.2 \(trial 0\)"),
        (
            ["--at-most", "stitch_fvu=0.25", "--at-most", "action_kl_ratio=0.5", *BEST],
            r"stitch_fvu ≤ 0.25: the nearest with the other bounds kept is 0.3 \(trial 1\); "
            r"action_kl_ratio ≤ 0.5: the nearest with the other bounds kept is 0.9 \(trial 0\)",
        ),
        (["--at-most", "stitch_fvu=0.4"], "bounds alone choose nothing"),
        (["--at-most", "stitch_fvu", *BEST], "--at-most stitch_fvu: expected METRIC=VALUE"),
        (["--at-least", "stitch_fvu=much", *BEST], "--at-least stitch_fvu=much: expected METRIC=VALUE"),
        ([*BEST, "--name", "knee"], "every rebuild writes best/knee anew"),
        ([*BEST, "--name", "../out"], "--name ../out: a name has letters"),
    ],
)
def test_a_mistake_is_one_line(maker, capsys, arguments, message):
    folder = maker.write(maker.rows(POINTS))
    assert main([str(folder), *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert re.search(message, err), err
    assert not (folder / "best").exists()


def test_a_missing_checkpoint_is_one_line_and_nothing_is_exported(maker, capsys):
    folder = maker.write(maker.rows(POINTS))
    (folder / "trials/1/model.safetensors").unlink()
    assert main([str(folder), "--at-most", "stitch_fvu=0.4", *BEST]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "trial 1 is the smallest action_kl_ratio" in err
    place = folder / "trials/1"
    remedy = f"train it again with python -m model.train {place} --out {place}, then pick again"
    assert f"its checkpoint is missing; nothing was exported; {remedy}" in err
    assert not (folder / "best").exists()


def test_a_folder_of_the_users_is_not_touched(maker, capsys):
    folder = maker.write(maker.rows(POINTS))
    (folder / "best/pick").mkdir(parents=True)
    (folder / "best/pick/thesis.txt").write_text("mine")
    assert main([str(folder), *BEST]) == 2
    assert "was not written by an export" in capsys.readouterr().err
    assert [path.name for path in (folder / "best/pick").iterdir()] == ["thesis.txt"]


def test_nothing_to_pick(maker, capsys, tmp_path):
    folder = maker.write([maker.row(0, "failed")])
    assert main([str(folder)]) == 2
    assert "there is nothing to pick" in capsys.readouterr().err
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.slow
def test_as_a_program(maker):
    folder = maker.write(maker.rows(POINTS))
    command = [sys.executable, "-m", "results.pick", str(folder), *BEST]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"written to {folder}/best/pick\n")
