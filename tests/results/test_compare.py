"""Two groups of runs: the test against every exchange, the words, and the command line."""

import itertools
import math
import statistics
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.compare import main
from results.front.comparison import compare, sentence, smallest_p

VOLUMES = st.lists(st.integers(0, 6).map(lambda n: n / 8), min_size=1, max_size=5)


def brute_u(first, second):
    return sum((a > b) + 0.5 * (a == b) for a in first for b in second)


def brute_p(first, second):
    """Twice the smaller tail of U over every exchange of runs between the groups."""
    everything = [*first, *second]
    places = set(range(len(everything)))
    found = [
        brute_u([everything[n] for n in chosen], [everything[n] for n in places - set(chosen)])
        for chosen in itertools.combinations(places, len(first))
    ]
    own = brute_u(first, second)
    tails = [sum(u <= own + 1e-9 for u in found), sum(u >= own - 1e-9 for u in found)]
    return min(1.0, 2 * min(tails) / len(found))


@given(VOLUMES, VOLUMES)
@settings(max_examples=60, deadline=None)
def test_p_and_effect_are_those_of_every_exchange(first, second):
    found = compare(first, second, ("A", "B"))
    assert found.effect == pytest.approx(brute_u(first, second) / (len(first) * len(second)))
    assert found.p == pytest.approx(brute_p(first, second), abs=1e-9)
    assert found.p >= found.smallest_p - 1e-9
    assert found.difference == pytest.approx(statistics.fmean(first) - statistics.fmean(second))


def test_the_smallest_p_is_that_of_groups_apart():
    for one, other in itertools.product(range(1, 6), repeat=2):
        first, second = [10.0 + n for n in range(one)], [float(n) for n in range(other)]
        assert compare(first, second, ("A", "B")).p == pytest.approx(smallest_p(one, other))
        assert brute_p(first, second) == pytest.approx(smallest_p(one, other))


def test_groups_change_places():
    first, second = [0.5, 0.6, 0.7, 0.7], [0.4, 0.5, 0.3, 0.2, 0.1]
    one, other = compare(first, second, ("A", "B")), compare(second, first, ("B", "A"))
    assert one.p == pytest.approx(other.p)
    assert one.effect == pytest.approx(1 - other.effect)


@pytest.mark.slow
def test_many_runs_with_ties_are_exchanged_at_random_but_always_alike():
    first, second = [float(n // 2) for n in range(14)], [float(n // 2 + 2) for n in range(14)]
    one, other = compare(first, second, ("A", "B")), compare(first, second, ("A", "B"))
    assert one == other
    assert "random exchanges" in one.method
    assert 0.005 < one.p < 0.05


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (
            [1, 2, 3],
            [4, 5, 6],
            "with 3 and 3 runs no two-sided test can reach p ≤ 0.05, the smallest possible p is 0.1",
        ),
        ([1], [4], "the smallest possible p is 1; 4 of each can"),
        ([1, 2], [4, 5, 6, 7, 8, 9, 10], "the smallest possible p is 0.056; 7 and 3 can"),
        ([1, 2, 3, 4], [5, 6, 7, 8], "B has larger hypervolumes than A (p = 0.029, 4 and 4 runs)"),
        ([5, 6, 7, 8], [1, 2, 3, 4], "in 16 of 16 pairs (A = 1.00, a large effect)"),
        ([5, 6, 7], [1, 2, 3], "in 9 of 9 pairs; the means are 6 and 2."),
        ([1, 3, 5, 7], [2, 4, 6, 8], "No difference between A and B is shown"),
        ([1, 1, 1, 1], [1, 1, 1, 1], "as often the better"),
    ],
)
def test_sentences(first, second, words):
    assert words in sentence(compare(first, second, ("A", "B")))


@pytest.mark.slow
def test_sizes_of_effects_are_named():
    base = [float(n) for n in range(10)]
    for shift, word in ((0.0, "as often"), (0.5, "negligible"), (1.0, "small"), (2.0, "medium"), (4.0, "large")):
        assert word in sentence(compare([b + shift for b in base], base, ("A", "B")))


def group(maker, name, shifts):
    return [
        str(maker.write(maker.rows([[0.2 + s, 0.7], [0.4, 0.4 + s], [0.7, 0.2 + s / 2]]), f"{name}{n}"))
        for n, s in enumerate(shifts)
    ]


@pytest.mark.slow
def test_the_command(maker, tmp_path, capsys):
    first, second = group(maker, "a", [0.0, 0.01, 0.02, 0.03]), group(maker, "b", [0.1, 0.11, 0.12, 0.13])
    out = tmp_path / "out"
    assert main([*first, "--with", *second, "--names", "tpe", "50% random", "--out", str(out)]) == 0
    printed, err = capsys.readouterr()
    assert err == ""
    assert "tpe has larger hypervolumes than 50% random (p = 0.029, 4 and 4 runs)" in printed
    assert sorted(path.name for path in out.iterdir()) == [
        *("difference.png", "difference.svg", "runs.csv", "runs.tex", "test.csv", "test.tex")
    ]
    runs = pd.read_csv(out / "runs.csv")
    assert runs["group"].tolist() == ["tpe"] * 4 + ["50% random"] * 4
    found = pd.read_csv(out / "test.csv").iloc[0]
    assert (found["runs_1"], found["effect_a"]) == (4, 1.0)
    assert found["p"] == pytest.approx(2 / math.comb(8, 4))
    assert found["mean_1"] == pytest.approx(runs["hypervolume"][:4].mean())
    assert r"50\% random" in (out / "test.tex").read_text()
    assert sorted(path.name for path in maker.root.glob("a0/*")) == ["curves.csv", "space.yaml", "trials", "trials.csv"]


@pytest.mark.slow
def test_few_runs_different_budgets_and_a_run_without_a_front(maker, tmp_path, capsys):
    (first,) = group(maker, "a", [0.0])
    second = str(maker.write([maker.row(0, "failed")], "b"))
    assert main([first, "--with", second, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "Too few runs: with 1 and 1 runs" in printed
    assert "warning: b: none of 1 recorded trials finished" in printed
    assert (
        "warning: the runs ended 1 to 3 trials, tried 0 to 3 points, trained 4 to 12 epochs, have at most 0 to 1"
        in printed
    )


def noisy(maker, name, seed, points, seeds):
    """A run of a trade-off that is the same for all, with noise; as many trainings whether or not points have seeds."""
    random = np.random.default_rng(seed)
    rows = []
    for point in range(points):
        x = (point + 0.5) / points
        for _ in range(seeds):
            at = np.array([0.2 + 0.6 * x, 0.2 + 0.6 * (1 - x) ** 2]) + random.normal(0, 0.06, 2)
            shared = {"action_weight": 0.1 + 0.8 * x, "codebook_size": 8, "num_sub_actions": 9, "method": "action_head"}
            row = maker.row(len(rows), stitch_fvu=float(at[0]), action_kl_ratio=float(at[1]), window_samples=16.0)
            rows.append(row | shared)
    return str(maker.write(rows, name, artefacts=False, curves=False))


@pytest.mark.slow
def test_one_seed_is_not_compared_with_several_and_equal_runs_are_seldom_found_to_differ(maker, tmp_path, capsys):
    single = [noisy(maker, f"one{n}", n, 48, 1) for n in range(4)]
    several = [noisy(maker, f"three{n}", 10 + n, 16, 3) for n in range(4)]
    out = ["--out", str(tmp_path / "out")]
    assert main([*single, "--with", *several, *out]) == 2
    assert "one0 has one seed a point and three0 has several: a front of single seeds is larger by luck" in (
        capsys.readouterr().err
    )
    others = [noisy(maker, f"other{n}", 20 + n, 16, 3) for n in range(4)]
    assert main([*others, "--with", *several, *out]) == 0
    printed = capsys.readouterr().out
    assert "No difference between A and B is shown" in printed
    assert "of the hypervolumes measured again, by seeds that did not choose the front." in printed
    assert "warning" not in printed
    runs = pd.read_csv(tmp_path / "out" / "runs.csv")
    assert (runs["measured_again"] < runs["hypervolume"]).all()


@pytest.mark.slow
def test_equal_runs_have_no_difference_to_draw(maker, tmp_path, capsys):
    first, second = group(maker, "a", [0.0]), group(maker, "b", [0.0])
    assert main([*first, "--with", *second, "--out", str(tmp_path / "out")]) == 0
    assert "as often the better" in capsys.readouterr().out
    assert (tmp_path / "out" / "difference.png").is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, b: [a, "--with", a], "given twice"),
        (lambda a, b: [a, "--with", b, "--names", "x", "x"], "both groups are named 'x'"),
        (lambda a, b: [a, "--with", b, "--out", b], "is a run folder; give --out another folder"),
        (lambda a, b: [a, "--with", b + "x"], "no such folder; give a run folder"),
        (lambda a, b: [a, "--with", b, "--out", a + "/trials.csv"], "trials.csv: cannot be read or written"),
    ],
)
def test_bad_input_is_one_line(maker, capsys, change, message):
    first, second = (group(maker, name, [0.0])[0] for name in "ab")
    assert main(change(first, second)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.slow
def test_as_a_program():
    command = [sys.executable, "-m", "results.compare", "--help"]
    assert "--with RUN" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
