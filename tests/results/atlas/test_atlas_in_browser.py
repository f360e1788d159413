"""The atlas in a real browser, offline: drawn whole, sorted, pointed at, tapped, walked by keyboard, printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from results.atlas.page import atlas_page

pytestmark = pytest.mark.slow  # a browser, and models that have to be trained

NAMES = ("decoder", "head", "averaged", "many")
PHONE, DESK = 400, 1280


@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("name", NAMES)
def test_a_browser_draws_everything_without_a_fault(
    browser: Any, written: dict[str, Path], name: str, width: int
) -> None:
    browser.open(written[name] / "atlas.html", width=width)
    browser.script("for (const folded of document.querySelectorAll('details')) folded.open = true")
    assert (browser.errors(), browser.overflow_px()) == ([], 0)
    empty = browser.script(
        """return [...document.querySelectorAll('svg')].filter(svg => {
          const box = svg.getBoundingClientRect();
          const drawn = [...svg.querySelectorAll('path, rect, image')].filter(part => part.getBBox().width > 0);
          return box.width < 60 || box.height < 20 || drawn.length === 0;
        }).map(svg => svg.outerHTML.slice(0, 120))"""
    )
    assert empty == []
    outside = browser.script(
        """return [...document.querySelectorAll('.code *')].filter(part =>
          part.getBoundingClientRect().right > part.closest('.code').getBoundingClientRect().right + 0.5).length"""
    )
    assert outside == 0


def code_of(token: Any) -> int:
    return int(token.get_dom_attribute("href").removeprefix("#code-"))


def order(browser: Any) -> list[int]:
    return browser.script("return [...document.querySelectorAll('#codes .code')].map(card => +card.dataset.c)")


def test_a_browser_sorts_and_filters(browser: Any, written: dict[str, Path], facts_of: Callable) -> None:
    browser.open(written["decoder"] / "atlas.html", width=DESK)
    known = {code["c"]: code for code in facts_of((written["decoder"] / "atlas.html").read_text())["codes"]}
    first = order(browser)
    keys = {
        "use": lambda c: (-known[c]["n"], c),
        "sureness": lambda c: (-known[c]["sure"], c),
        "number": lambda c: c,
    }
    for by, key in keys.items():
        (button,) = browser.all(f"[data-by={by}]")
        browser.script("arguments[0].click()", button)
        assert order(browser) == sorted(known, key=key)
        columns = browser.script(
            "return [...document.querySelectorAll('.matrix g')].sort((a, b) => a.transform.baseVal[0].matrix.e -"
            "b.transform.baseVal[0].matrix.e).map(g => +g.dataset.c)"
        )
        assert columns == order(browser)
        assert not any(heading.is_displayed() for heading in browser.all("#codes h3"))
    browser.script("document.querySelector('[data-by=sub-action]').click()")
    assert order(browser) == first
    assert all(heading.is_displayed() for heading in browser.all("#codes h3"))
    chosen = known[first[0]]["q"][0][0]
    browser.script(
        "const only = document.getElementById('only'); only.value = arguments[0];"
        "only.dispatchEvent(new Event('change'))",
        str(chosen),
    )
    shown = [c for c, card in zip(order(browser), browser.all("#codes .code"), strict=True) if card.is_displayed()]
    assert shown == [c for c in first if known[c]["q"][0][0] == chosen]
    assert [heading.is_displayed() for heading in browser.all("#codes h3")].count(True) == 1


def test_a_browser_says_what_the_mouse_is_on(browser: Any, written: dict[str, Path], facts_of: Callable) -> None:
    browser.open(written["decoder"] / "atlas.html", width=DESK)
    known = facts_of((written["decoder"] / "atlas.html").read_text())
    tip = browser.all("#tip")[0]
    (matrix,) = browser.all(".matrix")
    box = browser.script("const b = arguments[0].getBoundingClientRect(); return [b.width, b.height]", matrix)
    codes, rows = known["codes"], known["rows"]
    column, row = 2, 1
    x = ((column + 0.5) / len(codes) - 0.5) * box[0]
    y = ((known["bar"] + row + 0.5) / (known["bar"] + len(rows)) - 0.5) * box[1]
    c, p = codes[column]["c"], codes[column]["all"][row] / 100
    cell = f"code {c}\n{p:.2f} {known['letters'][rows[row]]} {known['sub_actions'][rows[row]]}"
    # Scrolling hides the note, so the mouse moves again once the page has come to rest; here and below.
    browser.wait(lambda: browser.hover(matrix, x, y) or cell in tip.text, "code of the cell")
    assert f"{codes[column]['n']} tokens" in tip.text
    token, (card, *_), (likely, *_) = browser.all(".token")[3], browser.all("#codes .code"), browser.all(".likely rect")
    for element, words in (
        (token, (f"code {code_of(token)}, token {int(token.get_attribute('data-n')) + 1}", "length", " s\n")),
        (likely, ("probability", " s")),
        (card, (f"code {card.get_attribute('data-c')}\n", "nats")),
    ):
        browser.wait(lambda e=element, w=words: browser.hover(e) or all(word in tip.text for word in w), words[0])
    browser.wait(lambda: browser.hover(browser.all("h1")[0]) or not tip.is_displayed(), "end of the note")
    browser.script("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", token)
    assert browser.script("return location.hash") == f"#code-{code_of(token)}"
    assert browser.errors() == []


@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("fused", [True, False])
def test_a_browser_opens_a_large_atlas(
    browser: Any, large_atlas: Callable, tmp_path: Path, width: int, fused: bool
) -> None:
    page = tmp_path / "atlas.html"
    page.write_text(atlas_page(large_atlas(512, 45, 12, fused=fused)), encoding="utf-8")
    browser.open(page, width=width)
    assert (browser.errors(), browser.overflow_px()) == ([], 0)
    browser.script("document.querySelector('[data-by=use]').click()")
    assert len(order(browser)) == 455
    assert browser.errors() == []


@pytest.mark.parametrize("width", [PHONE, DESK, 1600])
@pytest.mark.parametrize("name", NAMES)
def test_drawings_are_seen_whole_or_scroll_sideways_only(
    browser: Any, written: dict[str, Path], name: str, width: int
) -> None:
    browser.open(written[name] / "atlas.html", width=width)
    places = browser.script(
        """return [...document.querySelectorAll('.wide')].map(place => {
          const drawing = place.querySelector('.recording, .sheet').getBoundingClientRect();
          return [place.scrollHeight - place.clientHeight, drawing.width, place.clientWidth];
        })"""
    )
    assert len(places) == 1 + 3 + (3 if name == "many" else 0)
    for hidden, drawn, place in (each for each in places if each[2]):  # what is folded has no width
        assert hidden == 0
        assert drawn == pytest.approx(place if width > PHONE else max(place, drawn), abs=1)
    assert browser.overflow_px() == 0


def press(browser: Any, *keys: str) -> None:
    from selenium.webdriver import ActionChains

    ActionChains(browser.driver, duration=20).send_keys(*keys).perform()


FOCUSED = """const [token, all] = [document.activeElement, [...document.querySelectorAll('.token')]];
  const of = [...document.querySelectorAll('.recording')].indexOf(token.ownerSVGElement ?? null);
  const band = [...token.parentNode.parentNode.querySelectorAll('.band')].indexOf(token.parentNode);
  return [of, band, [...token.parentNode.children].indexOf(token)];"""


def test_a_keyboard_walks_through_windows_to_a_code_and_back(browser: Any, written: dict[str, Path]) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.open(written["decoder"] / "atlas.html", width=DESK)
    tip = browser.all("#tip")[0]
    assert [len(picture.find_elements("css selector", ".token[tabindex='0']")) for picture in browser.all(".recording")]
    browser.script("document.querySelector('#matrix .wide').focus()")
    press(browser, Keys.TAB)
    assert browser.script(FOCUSED) == [0, 0, 0]
    press(browser, Keys.TAB)
    assert browser.script(FOCUSED) == [1, 0, 0]  # one stop a recording
    press(browser, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    of, band, place = browser.script(FOCUSED)
    assert (of, band) == (1, 1)
    starts = browser.script(
        "return [...document.activeElement.parentNode.children].map(token => +token.dataset.s)",
    )
    above = float(browser.all(".recording")[1].find_elements("css selector", ".token")[2].get_attribute("data-s"))
    assert abs(starts[place] - above) == min(abs(start - above) for start in starts)
    assert starts == sorted(starts)
    token = browser.driver.switch_to.active_element
    browser.wait(lambda: tip.is_displayed() and tip.text.startswith(f"code {code_of(token)}, token "), "note")
    assert token.get_attribute("aria-label").startswith(f"{token.text}: ")
    press(browser, Keys.HOME)
    assert browser.script(FOCUSED) == [1, 1, 0]
    press(browser, Keys.ARROW_LEFT)
    assert browser.script(FOCUSED) == [1, 1, 0]
    press(browser, Keys.END)
    assert browser.script(FOCUSED) == [1, 1, len(starts) - 1]
    token = browser.driver.switch_to.active_element
    press(browser, Keys.ENTER)
    card = browser.wait(lambda: browser.all(f"#code-{code_of(token)}:focus"), "focus on the code's card")[0]
    assert in_window(browser, card)
    assert not tip.is_displayed()
    press(browser, Keys.ESCAPE)
    browser.wait(lambda: browser.script("return document.activeElement.matches('.token')"), "way back")
    assert browser.script(FOCUSED) == [1, 1, len(starts) - 1]
    browser.wait(lambda: in_window(browser, token), "token in the window")
    assert browser.all("#back") == []
    # Tab and back: the recording is entered where it was left.
    press(browser, Keys.TAB)
    assert browser.script(FOCUSED) == [2, 0, 0]
    browser.script("arguments[0].focus()", token)
    assert browser.script(FOCUSED) == [1, 1, len(starts) - 1]
    assert browser.errors() == []


def in_window(browser: Any, element: Any) -> bool:
    return bool(
        browser.script(
            "const { top, bottom } = arguments[0].getBoundingClientRect(); return top >= 0 && bottom <= innerHeight",
            element,
        )
    )


def tap(browser: Any, element: Any) -> None:
    """Touch an element with a finger, where the page lies."""
    x, y = browser.script(
        "const box = arguments[0].getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2]",
        element,
    )
    for kind, points in (("touchStart", [{"x": x, "y": y}]), ("touchEnd", [])):
        browser.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_a_tap_shows_a_token_and_a_second_one_goes_to_its_code(browser: Any, written: dict[str, Path]) -> None:
    browser.open(written["decoder"] / "atlas.html", width=PHONE)
    browser.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        tip, (first, other, *_) = browser.all("#tip")[0], browser.all(".recording:first-child .token")
        browser.script("arguments[0].scrollIntoView({block: 'center'})", first)
        at = browser.script("return scrollY")
        for token in (other, first):
            tap(browser, token)
            said = f"code {code_of(token)}, token {int(token.get_attribute('data-n')) + 1}\n"
            browser.wait(lambda said=said: tip.is_displayed() and tip.text.startswith(said), said)
            assert "Tap again to go to the code." in tip.text
            assert browser.script("return [scrollY, location.hash]") == [at, ""]
        tap(browser, first)
        card = browser.wait(lambda: browser.all(f"#code-{code_of(first)}:focus"), "code's card")[0]
        browser.wait(lambda: in_window(browser, card), "card in the window")
        (back,) = card.find_elements("css selector", "#back")
        assert back.text == f"Back to token {int(first.get_attribute('data-n')) + 1}"
        tap(browser, back)
        browser.wait(lambda: in_window(browser, first), "way back")
        assert browser.script("return document.activeElement === arguments[0]", first)
        assert browser.script("return scrollY") == pytest.approx(at, abs=2)
        cell = browser.all(".likely rect")[0]
        browser.script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", cell)
        tap(browser, cell)
        browser.wait(lambda: tip.is_displayed() and "probability" in tip.text, "note of a row")
        tap(browser, browser.all("#recordings .note")[2])
        browser.wait(lambda: not tip.is_displayed(), "end of the note")
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    assert browser.errors() == []


def test_the_way_back_is_the_browsers_too(browser: Any, written: dict[str, Path]) -> None:
    from selenium.webdriver import ActionChains

    browser.open(written["decoder"] / "atlas.html", width=DESK)
    tokens = browser.all(".token")
    other = next(token for token in tokens if code_of(token) != code_of(tokens[0]))
    for token in (tokens[0], other):
        browser.hover(token)
        ActionChains(browser.driver).click().perform()
        browser.wait(lambda t=token: browser.all(f"#code-{code_of(t)}:focus"), "code's card")
    for token in (other, tokens[0]):
        browser.driver.back()
        browser.wait(lambda t=token: browser.script("return document.activeElement === arguments[0]", t), "way back")
    assert browser.errors() == []


@pytest.mark.parametrize("name", NAMES)
def test_paper_shows_what_is_folded_and_cuts_nothing(browser: Any, written: dict[str, Path], name: str) -> None:
    browser.open(written[name] / "atlas.html", width=703)  # A4 without its margins
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        browser.script("window.dispatchEvent(new Event('beforeprint'))")
        assert browser.all("details:not([open])") == []
        cut = browser.script(
            """return [...document.querySelectorAll('.wide, .code, .sheet')].filter(place =>
              place.scrollWidth > place.clientWidth + 1 || place.scrollHeight > place.clientHeight + 1).length"""
        )
        tall = browser.script(
            "return [...document.querySelectorAll('.recording')].map(part => part.getBoundingClientRect().height)"
        )
        assert (cut, browser.overflow_px()) == (0, 0)
        assert max(tall) <= 225 / 25.4 * 96 + 1
        assert not any(part.is_displayed() for part in browser.all(".bar, nav, #tip"))
    finally:
        browser.script("window.dispatchEvent(new Event('afterprint'))")
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert browser.all("details[open]") == []
