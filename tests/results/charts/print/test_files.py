"""The figures for print: all of them, in both forms, and none that is left over."""

import xml.etree.ElementTree as ElementTree

import pytest

from results import read_run, rebuild
from results.charts.print.front import front_figure
from results.charts.style import new_figure, place_title, print_style
from results.front.overview import overview

OBJECTIVES = [{"metric": "stitch_fvu", "name": "recon", "direction": "minimise", "reference": 1.0}]
NAMES = ["cost", "curves-kl", "curves-recon", "front", "hypervolume", "importance", "parallel"]


@pytest.mark.slow
def test_every_picture_is_there_as_png_and_svg(maker):
    folder = maker.write(maker.trade(30))
    made = rebuild(folder)
    figures = folder / "figures"
    assert sorted(path.name for path in figures.iterdir()) == sorted(f"{n}.{k}" for n in NAMES for k in ("png", "svg"))
    assert set(figures.iterdir()) <= set(made.paths)
    for path in figures.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
    for path in figures.glob("*.svg"):
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    assert (folder / "front.png").read_bytes() == (figures / "front.png").read_bytes()


@pytest.mark.slow
def test_what_cannot_be_drawn_any_more_goes_and_what_is_not_ours_stays(maker):
    folder = maker.write([maker.row(0, "failed")], curves=False)
    (folder / "figures").mkdir()
    for name in ("importance.svg", "curves-recon.png", "mine.png", "importance.txt"):
        (folder / "figures" / name).write_text("old")
    rebuild(folder)
    kept = ["cost.png", "cost.svg", "front.png", "front.svg", "hypervolume.png", "hypervolume.svg"]
    assert sorted(path.name for path in (folder / "figures").iterdir()) == sorted([*kept, "importance.txt", "mine.png"])


@pytest.mark.slow
@pytest.mark.parametrize("objectives", [1, 3])
def test_other_numbers_of_objectives(maker, objectives):
    metrics = ("stitch_fvu", "action_kl_ratio", "depth")[:objectives]
    named = [{"metric": m, "name": m, "direction": "minimise", "reference": 1.0} for m in metrics]
    rows = [dict(row, depth=0.5 + 0.01 * n) for n, row in enumerate(maker.trade(20))]
    made = rebuild(maker.write(rows, objectives=named))
    assert len([path for path in made.paths if path.parent.name == "figures"]) == 2 * (5 + objectives) - (
        2 if objectives == 3 else 0  # no learning curve of `depth` was recorded
    )


def test_one_objective_is_drawn_with_the_best_value_so_far(maker):
    folder = maker.write(maker.rows([(0.9, 0), (0.3, 0), (0.6, 0)]), objectives=OBJECTIVES, artefacts=False)
    with print_style():
        (axes,) = front_figure(overview({"demo": read_run(folder)}, "demo")).axes
    assert axes.lines[0].get_xydata().tolist() == [[1, 0.9], [2, 0.3], [3, 0.3]]


@pytest.mark.parametrize("name", ["short", "a run with a long name and many words in it", "x" * 70])
def test_a_title_does_not_run_into_the_legend(name):
    with print_style():
        figure = new_figure(7.2, 4.9)
        (line,) = figure.subplots().plot([0, 1])
        legend = figure.legend([line], ["a legend of some width"], loc="outside right upper")
        place_title(figure, f"Union of {name} and another", "7 on the front of 16 finished, hypervolume 0.5754")
        figure.draw_without_rendering()
        (title,) = (text.get_window_extent() for text in figure.texts)
        beside = legend.get_window_extent()
    assert title.x0 >= 0
    assert not title.overlaps(beside) or len(name) == 70, "a single word is never broken"
