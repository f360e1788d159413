"""How points look: no two names alike, legends that are complete or say what they leave out."""

import pytest

from results import read_run
from results.charts.encoding import MOST_NAMES, NOT_SET, colour_columns, encode, named_look
from results.charts.growth import listed_runs, run_looks
from results.charts.style import MISSING_COLOUR
from results.front.overview import overview


def union_of(maker, count):
    runs = {f"run{n}": read_run(maker.write(maker.rows([[0.5, 0.5]]), f"run{n}", curves=False)) for n in range(count)}
    return overview(runs, "all")


@pytest.mark.parametrize("count", [7, 9, MOST_NAMES])
def test_no_two_of_many_runs_look_alike_and_all_are_in_the_legend(maker, count):
    view = union_of(maker, count)
    found = encode(view)
    assert [label for label, *_ in found.colour_legend] == list(view.runs)
    looks = list(zip(found.colours, found.markers, strict=True)) if count > 7 else list(found.colours)
    assert len(set(looks)) == count
    assert found.marks_colours == (count > 7)
    assert len({look for _, *look in map(tuple, run_looks(view)) for look in [tuple(look)]}) == count
    assert listed_runs(view) == run_looks(view)


def test_beyond_the_looks_that_there_are_the_legend_counts(maker):
    view = union_of(maker, MOST_NAMES + 3)
    assert encode(view).colour_legend[-1] == ("and 3 more", MISSING_COLOUR, 0)
    assert encode(view).colours[-3:] == (MISSING_COLOUR,) * 3
    assert len(encode(view).colour_legend) == MOST_NAMES + 1
    assert listed_runs(view)[-1][0] == "and 3 more"


def test_names_repeat_a_colour_only_with_another_mark():
    looks = [named_look(number) for number in range(MOST_NAMES)]
    assert len(set(looks)) == MOST_NAMES
    assert [mark for _, mark in looks[:8]] == [0] * 7 + [1]


def test_what_is_not_set_has_a_colour_and_a_marker_of_its_own(maker):
    rows = maker.rows([[0.5, 0.5], [0.4, 0.6], [0.3, 0.7]])
    rows[0]["codebook_size"] = rows[1]["method"] = None
    found = encode(overview({"demo": read_run(maker.write(rows))}, "demo"))
    assert found.colours[0] == MISSING_COLOUR
    assert found.colour_legend[-1] == ("not set", MISSING_COLOUR, 0)
    assert found.markers == (0, NOT_SET, 0)
    assert found.marker_legend[-1] == ("not set", NOT_SET)


def test_a_legend_has_no_entry_for_what_does_not_occur(maker):
    found = encode(overview({"demo": read_run(maker.write(maker.rows([[0.5, 0.5], [0.4, 0.6]])))}, "demo"))
    labels = [label for label, *_ in (*found.colour_legend, *found.marker_legend)]
    assert labels == ["8", "16", "32", "64", "action_head", "action_decoder"]


def test_colour_can_show_every_parameter_that_varies(maker):
    rows = maker.rows([[0.5, 0.5], [0.4, 0.6], [0.3, 0.7]], num_sub_actions=9)
    view = overview({"demo": read_run(maker.write(rows))}, "demo")
    assert colour_columns(view) == ["codebook_size", "action_weight", "method"]
    weights = encode(view, "action_weight")
    assert [label for label, *_ in weights.colour_legend] == ["0.1", "0.105", "0.11", "0.115", "0.12"]
    shades = {label: colour for label, colour, _ in weights.colour_legend}
    assert weights.colours[0] == shades["0.1"]
    assert weights.colours[2] == shades["0.12"]
    assert weights.markers == encode(view).markers
