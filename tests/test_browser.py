"""The tests' own browser: it must see the faults that it is there to see."""

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow  # a browser

PAGE = """<!doctype html><meta charset="utf-8"><title>page</title>
<div id="wide" style="height: 20px; width: {width}px" onmouseover="this.textContent = 'seen'">unseen</div>
<script>{script}</script>"""


def write(path: Path, width: int, script: str = "") -> Path:
    path.write_text(PAGE.format(width=width, script=script), encoding="utf-8")
    return path


def test_a_sound_page_has_no_fault(browser: Any, tmp_path: Path) -> None:
    browser.open(write(tmp_path / "sound.html", 300), width=400)
    assert browser.script("return window.innerWidth") == 400
    assert (browser.errors(), browser.overflow_px()) == ([], 0)


def test_overflow_errors_and_requests_are_seen(browser: Any, tmp_path: Path) -> None:
    script = "fetch('http://example.org/').catch(() => 0); throw new Error('on purpose')"
    browser.open(write(tmp_path / "faulty.html", 500, script), width=400)
    assert browser.overflow_px() >= 100
    seen: list[str] = []
    browser.wait(lambda: seen.extend(browser.errors()) or len(seen) > 1, "second error on the console")
    assert any("on purpose" in line for line in seen)
    assert any("example.org" in line for line in seen)


def test_the_mouse_moves(browser: Any, tmp_path: Path) -> None:
    browser.open(write(tmp_path / "hover.html", 300), width=1280)
    (element,) = browser.all("#wide")
    browser.hover(element)
    browser.wait(lambda: element.text == "seen", "sign of the mouse")
