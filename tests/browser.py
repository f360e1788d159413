"""A real browser for tests of pages: headless, offline, with a fresh profile.

The page is told the width of its window, so a phone's width is exact whatever the browser's smallest window is.
Hovering moves the mouse as a person does; nothing of the page's own functions is called.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DRIVER = "chromedriver"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Makes every request fail that is not for a file: it becomes an error on the console.
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND"
HERE = "127.0.0.1"
WAIT_S = 30.0


def missing_part() -> str:
    """What is not installed; "" if a browser can be started."""
    if not any(map(shutil.which, BROWSERS)):
        return "no Chromium or Chrome is installed (Debian: apt install chromium chromium-driver)"
    if not shutil.which(DRIVER):
        return f"no {DRIVER} is installed (Debian: apt install chromium-driver)"
    return ""


class Browser:
    """One browser; its pages are files, and if asked for those of servers on this machine."""

    def __init__(self, profile: Path, servers: bool = False):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = str(next(filter(None, map(shutil.which, BROWSERS))))
        resolver = f"{OFFLINE} , EXCLUDE {HERE}" if servers else OFFLINE
        for flag in (*FLAGS, resolver, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # A named driver: selenium then looks for none in the network.
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which(DRIVER)))

    def open(self, page: Path, width: int, height: int = 900) -> None:
        """Open a file in a window of that size, in CSS pixels; what earlier pages left on the console is forgotten."""
        self.visit(page.resolve().as_uri(), width, height)

    def resize(self, width: int, height: int = 900) -> None:
        """Make the window another size, in CSS pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def visit(self, address: str, width: int, height: int = 900) -> None:
        """Open an address as `open` does a file."""
        self.resize(width, height)
        self.driver.get_log("browser")
        self.driver.get(address)
        # On a busy machine the driver may come back while the earlier page, or none, is still there.
        whole = "return location.href === arguments[0] && document.readyState === 'complete'"
        self.wait(lambda: self.script(whole, address), f"whole page {address}")

    def script(self, code: str, *arguments: Any) -> Any:
        """Run JavaScript; `return` gives its value back."""
        return self.driver.execute_script(code, *arguments)

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        """Return the condition's first true value; after half a minute, fail."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            found = condition()
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"after {WAIT_S:.0f} s: no {what}")

    def errors(self) -> list[str]:
        """What the console shows as an error since the page was opened."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def overflow_px(self) -> int:
        """By how much the page is wider than its window."""
        return int(self.script("return document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def hover(self, element: Any, x: float = 0.0, y: float = 0.0) -> None:
        """Move the mouse onto an element, (x, y) pixels from its middle."""
        from selenium.webdriver import ActionChains

        self.script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        ActionChains(self.driver, duration=20).move_to_element_with_offset(element, x, y).perform()

    def all(self, selector: str) -> list[Any]:
        """Return the elements that a CSS selector names."""
        return list(self.driver.find_elements("css selector", selector))

    def screenshot(self, path: Path) -> None:
        """Save what the window shows."""
        self.driver.save_screenshot(str(path))

    def close(self) -> None:
        """End the browser."""
        self.driver.quit()
