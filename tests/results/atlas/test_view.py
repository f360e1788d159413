"""Order, scales and geometry of the atlas, against brute force."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb

from model.pretrained.atlas import Example
from results.atlas.page import atlas_page
from results.atlas.palette import PALETTE, REST, faded
from results.atlas.print import draw_recording
from results.atlas.svg import likeliest_rows, limits, path, recording, short, thinned
from results.atlas.view import carried, lanes_of, over_time, ticks


def points(d: str) -> list[list[tuple[int, int]]]:
    """What an SVG path of absolute moves and relative lines draws."""
    lines: list[list[tuple[int, int]]] = []
    for command, rest in re.findall(r"([Ml])([^Ml]*)", d):
        x, y = (int(number) for number in re.findall(r"-?\d+", rest))
        if command == "M":
            lines.append([(x, y)])
        else:
            lines[-1].append((lines[-1][-1][0] + x, lines[-1][-1][1] + y))
    return lines


def test_a_path_goes_through_its_points_and_breaks_where_there_is_none() -> None:
    x, y = np.arange(8) * 7.3, np.array([0.4, -3.2, np.nan, 5.0, 5.0, -12.6, np.nan, 1.0])
    expected = [[(0, 0), (7, -3)], [(22, 5), (29, 5), (36, -13)], [(51, 1)]]
    assert points(path(x, y)) == expected
    assert path(x[:1], np.array([np.nan])) == ""


@pytest.mark.parametrize("seed", range(20))
def test_windows_of_a_lane_never_overlap_and_lanes_are_few(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 40))
    start, length = rng.uniform(0, 0.8, count), rng.uniform(0.01, 0.2, count)
    lanes = np.array(lanes_of(start, length))
    for lane in np.unique(lanes):
        order = np.argsort(start[lanes == lane])
        first, last = start[lanes == lane][order], (start + length)[lanes == lane][order]
        assert (first[1:] >= last[:-1] - 1e-6).all()
    # As many as windows that ever lie over one place.
    assert lanes.max() + 1 == max(int(((start <= t) & (t < start + length)).sum()) for t in start)


def test_sub_actions_over_time_are_means_over_the_windows_there() -> None:
    rng = np.random.default_rng(0)
    q = rng.dirichlet(np.ones(3), size=(2, 4))
    start, length = rng.uniform(0, 0.6, (2, 4)), rng.uniform(0.05, 0.4, (2, 4))
    start[:, 0] = 0.3  # nothing lies over the first bins
    start = np.maximum(start, 0.2)
    example = Example(0, 0, 0, 0.0, np.zeros((2, 9)), np.zeros((2, 9)), start, length, np.zeros((2, 4)), q)
    found = over_time(example, 10)
    for bin_number in range(10):
        t = (bin_number + 0.5) / 10
        there = [q[r, n] for r in range(2) for n in range(4) if start[r, n] <= t <= start[r, n] + length[r, n]]
        expected = np.mean(there, axis=0) if there else np.zeros(3)
        np.testing.assert_allclose(found[bin_number], expected)
    assert not found[0].any()


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (-2.3, 2.4, 5, [-2, 0, 2]),
        (0, 511, 7, [0, 100, 200, 300, 400, 500]),
        (0, 9.9, 7, [0, 2, 4, 6, 8]),
        (0, 0.007, 4, [0, 0.005]),
    ],
)
def test_ticks_are_round_and_few(low: float, high: float, most: int, expected: list[float]) -> None:
    assert ticks(low, high, most) == pytest.approx(expected)


def test_a_long_series_keeps_its_peaks_and_gaps() -> None:
    series = np.sin(np.arange(20_000) / 300)
    series[7_777], series[12_000:12_200] = 9.0, np.nan
    along, values = thinned(series, 500)
    assert len(values) <= 1_000
    assert np.nanmax(values) == 9.0
    assert np.isnan(values).any()
    assert (np.diff(along) > 0).all()
    same_along, same = thinned(series[:800], 500)
    np.testing.assert_array_equal(same, series[:800])
    assert same_along[-1] == 1.0


def test_a_rebuilt_series_that_runs_away_does_not_flatten_the_signal() -> None:
    x = np.array([-1.0, 1.0, 0.0])
    assert limits(x, np.array([0.0, 50.0, np.nan])) == pytest.approx((-1.25, 2.25))
    assert limits(x, np.full(3, np.nan)) == pytest.approx((-1.25, 1.25))
    assert limits(np.zeros(3), np.zeros(3)) == pytest.approx((-0.25, 0.25))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("hips sway", "hips sway"),
        ("hips sway | arms swing", "hips sway | arms swing"),
        ("gravity pulls on one axis | fingers tremble | +3", "gravity pulls on one axis | …"),
        ("acceleration of the whole body is small", "acceleration of the whole bod…"),
        ("acceleration of the whole body is small | rest", "acceleration of the whole  | …"),
    ],
)
def test_a_short_name_still_says_that_there_are_alternatives(name: str, shown: str) -> None:
    assert short(name) == shown
    assert len(short(name)) <= 30


def test_windows_and_rows_are_as_full_as_their_probability_and_carry_letters(large_atlas: Callable) -> None:
    view = large_atlas(20, 2, 2, fused=False)
    for example in view.atlas.examples:
        drawn = recording(view, example, range(2), with_sub_actions=True)
        bands = [re.findall(r'<a class="token .*?</a>', band) for band in drawn.split('<g class="band">')[1:]]
        for row, band in enumerate(bands):
            assert len(band) == example.codes.shape[1]
            for n, token in zip(np.argsort(example.start[row]).tolist(), band, strict=True):
                k, p = int(example.q[row, n].argmax()), example.q[row, n].max()
                assert f'class="token k{k}" href="#code-{example.codes[row, n]}" data-n="{n}"' in token
                assert f'fill-opacity="{p:.2f}"' in token
                assert f">{view.letters[k]} {example.codes[row, n]}</text>" in token
        q = over_time(example, 128)
        rows = re.findall(r'<g class="likely k(\d+)" data-k="\1">(.*?)</g>', drawn)
        assert [int(k) for k, _ in rows] == likeliest_rows(q.mean(0))
        for k, cells in rows:
            opacities = [float(found) for found in re.findall(r'fill-opacity="([\d.]+)"', cells)]
            assert max(opacities) == pytest.approx(q[:, int(k)].max(), abs=0.0051)


def test_pictures_for_print_are_on_the_same_scale(large_atlas: Callable) -> None:
    view = large_atlas(20, 2, 1, fused=False)
    for example in view.atlas.examples:
        *panels, below = draw_recording(view, example).axes
        for row, windows in enumerate(panels[1::2]):
            likeliest, p = example.q[row].argmax(1), example.q[row].max(1)
            fills = [to_hex(bar.get_facecolor()) for bar in windows.patches]
            assert fills == [faded(view.colours[k], chance) for k, chance in zip(likeliest, p, strict=True)]
            written = [text.get_text() for text in windows.texts]
            assert written == [f"{view.letters[k]} {c}" for k, c in zip(likeliest, example.codes[row], strict=True)]
        names = [label.get_text().split()[0] for label in below.get_yticklabels()]
        q = over_time(example, 128)
        rows = [view.letters.index(name) for name in names]
        assert rows[:8] == likeliest_rows(q.mean(0))
        assert set(rows) >= {k for k, _ in carried(example)}
        expected = [to_rgb(faded(view.colours[k], q[7, k])) for k in rows]
        np.testing.assert_allclose(below.images[0].get_array()[:, 7], expected)


def test_letters_follow_the_use(large_atlas: Callable) -> None:
    view = large_atlas(20, 2, 1, fused=False)
    assert [view.letters[k] for k in view.by_use[:3]] == ["A", "B", "C"]
    assert [view.colours[k] for k in view.by_use[:11]] == [*PALETTE, REST]


def test_a_recording_has_a_key_of_the_sub_actions_that_its_windows_carry(large_atlas: Callable) -> None:
    view = large_atlas(20, 2, 2, fused=False)
    keys = re.findall(r'<p class="key"><span><b class="chip .*?</p>', atlas_page(view), re.DOTALL)
    assert len(keys) == len(view.atlas.examples)
    for key, example in zip(keys, view.atlas.examples, strict=True):
        found = re.findall(r'chip k(\d+)">([A-Z]+)</b>(.*?) <em>(\d+) windows?</em>', key)
        likeliest = example.q.argmax(-1).ravel()
        counts = {int(k): int((likeliest == k).sum()) for k in np.unique(likeliest)}
        assert {int(k): int(windows) for k, _, _, windows in found} == counts
        names = view.atlas.meaning.sub_actions
        assert all((letter, name) == (view.letters[int(k)], names[int(k)]) for k, letter, name, _ in found)
