"""The report in a real browser, offline: no error, every picture drawn, hover works, no wider than the window."""

from __future__ import annotations

import json

import pytest

from results import read_run
from results.charts.style import CATEGORICAL
from results.front.overview import overview
from results.report.report import Live, write_report

PLOTS = ".chart"
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


# Of each drawn chart: its name, the widths of its picture and of its box, and what of its text lies outside.
MEASURED = """return [...document.querySelectorAll('.chart')].filter(box => box.checkVisibility()).map(box => {
  const svg = box.querySelector('.main-svg'), frame = svg?.getBoundingClientRect();
  const cut = [...box.querySelectorAll('.main-svg text')].filter(text => {
    const at = text.getBoundingClientRect();
    return at.width && (at.left < frame.left - 1 || at.right > frame.right + 1 || at.top < frame.top - 1
      || at.bottom > frame.bottom + 1); });
  return [box.id, svg ? Math.round(frame.width) : 0, Math.round(box.getBoundingClientRect().width),
    cut.map(text => text.textContent)]; })"""
# What a scroller hides in height.
HIDDEN = """return [...document.querySelectorAll('.scroll:not(.tall)')].filter(
  box => box.scrollHeight > box.clientHeight + 20).map(box => box.getAttribute('aria-label'))"""


def whole(browser, charts):
    """Wait until every chart is as wide as its box; return what of their text lies outside."""

    def fits():
        found = browser.script(MEASURED)
        return found if len(found) == charts and all(drawn == box for _, drawn, box, _ in found) else None

    found = browser.wait(fits, f"{charts} charts as wide as their boxes")
    return {name: cut for name, *_, cut in found if cut}


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1280, 1600])
def test_every_picture_is_drawn_as_wide_as_its_box_and_nothing_overflows(browser, report_page, width):
    browser.open(report_page, width)
    assert names(browser) == list(DRAWN)
    for name, mark in DRAWN.items():
        browser.wait(lambda n=name, m=mark: browser.all(f"#{n} {m}"), f"{mark} in #{name}")
    assert whole(browser, len(DRAWN)) == {}
    assert browser.errors() == []
    assert browser.overflow_px() == 0
    assert browser.script(HIDDEN) == []
    beyond = browser.script(
        "return [...document.querySelectorAll('.chart')].map(box => box.closest('.scroll') || box).filter(box =>"
        " box.getBoundingClientRect().left < 0 || box.getBoundingClientRect().right > innerWidth + 1).length"
    )
    assert beyond == 0


@pytest.mark.slow
def test_pictures_follow_their_boxes(browser, report_page):
    browser.open(report_page, 1280)
    whole(browser, len(DRAWN))
    browser.resize(400)
    assert whole(browser, len(DRAWN)) == {}
    browser.resize(1600)
    assert whole(browser, len(DRAWN)) == {}
    browser.script("location.reload()")
    assert whole(browser, len(DRAWN)) == {}
    browser.script(
        "document.querySelector('main').insertAdjacentHTML('beforeend', '<details id=\"later\"></details>');"
        "document.getElementById('later').append(document.getElementById('cost'))"
    )
    assert whole(browser, len(DRAWN) - 1) == {}
    browser.resize(900)
    browser.script("document.getElementById('later').open = true")
    assert whole(browser, len(DRAWN)) == {}


@pytest.mark.slow
def test_what_is_folded_is_drawn_when_it_is_opened(browser, report_page, tmp_path):
    folded = '<details id="fold"><summary>more</summary><div class="chart" id="cost"'
    page = report_page.read_text().replace('<div class="chart" id="cost"', folded)
    (tmp_path / "report.html").write_text(page)
    browser.open(tmp_path / "report.html", 1280)
    whole(browser, len(DRAWN) - 1)
    assert browser.all("#cost .bars path") == []
    browser.script("document.getElementById('fold').open = true")
    assert whole(browser, len(DRAWN)) == {}


@pytest.mark.slow
def test_a_browser_that_cannot_unpack_says_so(browser, report_page, tmp_path):
    page = report_page.read_text().replace("<head>", "<head><script>delete window.DecompressionStream</script>")
    (tmp_path / "report.html").write_text(page)
    browser.open(tmp_path / "report.html", 1280)
    assert {box.text.split(":")[0] for box in browser.all(".chart")} == {"This browser is too old to draw the chart"}
    assert browser.errors() == []


@pytest.mark.slow
def test_colours_show_what_is_chosen(browser, report_page):
    browser.open(report_page, 1280)
    whole(browser, len(DRAWN))
    colours = """return ['front-0', 'parallel'].map(id => document.getElementById(id).data.filter(
      trace => trace.meta?.rows && !trace.meta.grey).flatMap(
      trace => trace.meta.line ? [trace.line.color] : trace.marker.color))"""
    before = browser.script(colours)
    shown = (
        "return [...document.querySelectorAll('.legend [data-colour]')].filter(e => !e.hidden).map(e => e.innerText)"
    )
    (legend,) = browser.script(shown)
    assert "codebook_size" in legend
    browser.script(
        "const choice = document.getElementById('colour-by');"
        "choice.value = [...choice.options].find(option => option.text === 'method').value;"
        "choice.dispatchEvent(new Event('change'))"
    )
    browser.wait(lambda: browser.script(colours) != before, "other colour")
    after = browser.script(colours)
    assert set(after[0]) == set(CATEGORICAL[:2])
    assert set(after[1]) == set(CATEGORICAL[:2])
    assert len(set(before[0])) == 4
    (legend,) = browser.script(shown)
    assert "action_decoder" in legend
    assert whole(browser, len(DRAWN)) == {}
    assert browser.errors() == []


@pytest.mark.slow
def test_a_hollow_point_says_which_guard_it_breaks(browser, report_page):
    browser.open(report_page, 1280)
    whole(browser, len(DRAWN))
    said = browser.script(
        "return document.getElementById('front-0').data.filter(t => t.name === 'breaks a guard').flatMap(t => t.text)"
    )
    assert said
    assert all("<b>breaks the guard</b>" in text for text in said)
    assert any("window_samples = 4: <b>breaks the guard</b> ≥ 8" in text for text in said)
    assert any("stitch_fvu = 1.0" in text and "<b>breaks the guard</b> &lt; 1" in text for text in said)


@pytest.mark.slow
def test_on_paper_nothing_is_cut_and_charts_are_as_wide_as_the_page(browser, report_page):
    browser.open(report_page, 1280)
    whole(browser, len(DRAWN))
    browser.resize(680)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        browser.script("dispatchEvent(new Event('beforeprint'))")
        assert browser.overflow_px() == 0
        hidden = (
            "return [...document.querySelectorAll('.scroll')].filter(b => b.scrollWidth > b.clientWidth + 1).length"
        )
        assert browser.script(hidden) == 0
        assert browser.script("return [...document.querySelectorAll('details')].every(part => part.open)")
        assert whole(browser, len(DRAWN)) == {}
        browser.script("dispatchEvent(new Event('afterprint'))")
        assert not browser.script("return [...document.querySelectorAll('details')].some(part => part.open)")
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1280])
def test_hovering_a_point_shows_its_configuration(browser, report_page, width):
    browser.open(report_page, width)
    (point, *_) = browser.wait(lambda: browser.all("#front-0 .points path.point"), "point")
    browser.hover(point)
    text = browser.wait(lambda: hovered(browser), "hover box")
    for part in (
        "trial",
        "stitch_fvu = ",
        "codebook_size: ",
        "action_weight: ",
        "num_sub_actions: ",
        "method: ",
        "window_samples = ",
    ):
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
def test_an_open_page_loads_itself_again_when_another_was_written_until_nobody_writes(browser, maker, tmp_path):
    """As `python -m results RUN --live` writes them, opened as a file."""
    view = overview({"demo": read_run(maker.write(maker.trade(12)))}, "demo")
    page, newest = tmp_path / "report.html", tmp_path / "report.newest.js"
    top = "return Math.round(scrollY)"

    def write(stamp):
        write_report(view, page, [f"stamp {stamp}"], live=Live(stamp, newest.name, 0.1) if stamp else None)
        newest.write_text(f"newestReport({json.dumps(stamp)});")

    def shows(text):
        return browser.wait(lambda: text in browser.script("return document.body.innerText"), text)

    write("1")
    browser.open(page, 1280)
    shows("stamp 1")
    whole(browser, len(browser.all(PLOTS)))
    browser.script("scrollTo(0, 700); window.same = true")
    write("2")
    shows("stamp 2")
    browser.wait(lambda: browser.script(top) == 700, "place of before")
    assert browser.script("return document.getElementById('followed').hidden")
    browser.script("scrollTo(0, 500); window.same = true")
    write("")
    newest.unlink()
    browser.wait(lambda: browser.script("return !window.same && !document.getElementById('followed')"), "last page")
    browser.wait(lambda: browser.script(top) == 500, "place of before")
    assert browser.script("return !window.newestReport"), "it still looks for others"


@pytest.mark.slow
def test_a_page_that_nobody_follows_any_more_says_so(browser, maker, tmp_path):
    view = overview({"demo": read_run(maker.write(maker.trade(4)))}, "demo")
    write_report(view, tmp_path / "report.html", live=Live("1", "report.newest.js", 0.1))
    browser.open(tmp_path / "report.html", 400)
    shown = "const line = document.getElementById('followed'); return line?.checkVisibility() && line.innerText"
    assert "Nobody writes this page anew" in browser.wait(lambda: browser.script(shown), "word of it")


@pytest.mark.slow
def test_an_unfinished_run_opens_too(browser, maker, tmp_path):
    folder = maker.write([maker.row(0, "failed"), maker.row(1, "stopped")])
    write_report(overview({"demo": read_run(folder)}, "demo"), tmp_path / "report.html")
    browser.open(tmp_path / "report.html", 400)
    browser.wait(lambda: browser.all("#cost .bars path"), "bar")
    assert names(browser) == ["hypervolume-0", "hypervolume-1", "hypervolume-2", "cost"]
    assert (browser.errors(), browser.overflow_px()) == ([], 0)
