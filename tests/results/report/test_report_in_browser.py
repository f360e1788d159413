"""The report in a real browser, offline: no error, every picture drawn, hover works, no wider than the window."""

from __future__ import annotations

import pytest

from results import read_run
from results.front.overview import overview
from results.report.report import write_report

PLOTS = ".plotly-graph-div"
DRAWN = {
    "front-0": ".points path.point",
    "hypervolume-0": ".lines path",
    "hypervolume-1": ".lines path",
    "hypervolume-2": ".lines path",
    "curves-0": ".lines path",
    "curves-1": ".lines path",
    "importance": ".bars path",
    "parallel": ".lines path",
    "cost": ".bars path",
}


def names(browser):
    return [plot.get_attribute("id") for plot in browser.all(PLOTS)]


def hovered(browser):
    """What the hover box of any plot says."""
    return " | ".join(text for box in browser.all(".hoverlayer .hovertext") if (text := box.text.strip()))


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1280])
def test_every_picture_is_drawn_and_nothing_overflows(browser, report_page, width):
    browser.open(report_page, width)
    assert names(browser) == list(DRAWN)
    for name, mark in DRAWN.items():
        browser.wait(lambda n=name, m=mark: browser.all(f"#{n} {m}"), f"{mark} in #{name}")
    assert browser.errors() == []
    assert browser.overflow_px() == 0
    outside = browser.script(
        "return [...document.querySelectorAll('.plotly-graph-div')].filter(plot => {"
        " const hidden = plot.closest('.scroll') || plot; const box = hidden.getBoundingClientRect();"
        " return box.left < 0 || box.right > document.documentElement.clientWidth + 1; }).map(plot => plot.id)"
    )
    assert outside == []
    cut = browser.script(
        "return [...document.querySelectorAll('.plotly-graph-div')].filter(plot =>"
        " plot.querySelector('.main-svg').getBoundingClientRect().width > plot.parentElement.clientWidth + 1"
        ").map(plot => plot.id)"
    )
    assert cut == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1280])
def test_hovering_a_point_shows_its_configuration(browser, report_page, width):
    browser.open(report_page, width)
    (point, *_) = browser.wait(lambda: browser.all("#front-0 .points path.point"), "point")
    browser.hover(point)
    text = browser.wait(lambda: hovered(browser), "hover box")
    for part in ("trial", "stitch_fvu = ", "codebook_size: ", "action_weight: ", "num_sub_actions: ", "method: "):
        assert part in text
    assert browser.errors() == []


@pytest.mark.slow
def test_hovering_works_on_lines_and_bars_too(browser, report_page):
    browser.open(report_page, 1280)
    for name, mark, part in (
        ("hypervolume-2", ".points path.point:nth-child(2)", "on the front"),
        ("curves-0", ".points path.point", "epoch"),
        ("parallel", ".points path.point", "codebook_size: "),
        ("importance", ".bars path", "stitch_fvu"),
        ("cost", ".bars path", "trials"),
    ):
        (point, *_) = browser.wait(lambda n=name, m=mark: browser.all(f"#{n} {m}"), f"{mark} in #{name}")
        browser.hover(point)
        browser.wait(lambda p=part: p in hovered(browser), f"{part!r} in the hover box of #{name}")
    assert browser.errors() == []


@pytest.mark.slow
def test_an_unfinished_run_opens_too(browser, maker, tmp_path):
    folder = maker.write([maker.row(0, "failed"), maker.row(1, "stopped")])
    write_report(overview({"demo": read_run(folder)}, "demo"), tmp_path / "report.html")
    browser.open(tmp_path / "report.html", 400)
    browser.wait(lambda: browser.all("#cost .bars path"), "bar")
    assert names(browser) == ["hypervolume-0", "hypervolume-1", "hypervolume-2", "cost"]
    assert (browser.errors(), browser.overflow_px()) == ([], 0)
