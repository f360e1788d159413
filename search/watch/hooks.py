"""What is called when something has come of a search: commands and URLs of the section `hooks` of a space file.

A command gets what there is to say in its environment, a URL as JSON by POST; `text` is a line for people, as chat
services take it. A thread looks for news, so that a slow hook makes no trial wait.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from search.exceptions import InputError, one_line, redacted
from search.record.recorder import Recorder, Snapshot
from search.space.schema import Space
from search.watch.monitor import FrontSoFar

INTERVAL_S = 2.0  # between two looks
WITHIN_S = 60.0
PREFIX = "SEARCH_"

log = logging.getLogger(__name__)


class Hooks:
    """Calls the hooks of a space, from entering to leaving it."""

    def __init__(self, space: Space, recorder: Recorder, notice: Callable[[str], object] | None = None):
        """Begin with what there is: nothing is called for trials of earlier sessions.

        `notice` is told when a hook fails; None: the recorder is.
        """
        self._hooks, self._name, self._recorder = space.hooks, space.name, recorder
        self._notice = notice or recorder.notice
        before = recorder.snapshot()
        self._looked_at = len(before.rows)
        self._front = FrontSoFar(space)
        self._columns = list(space.columns)
        self._points: set[tuple[str, ...]] = set()  # that have been on the front
        if self._hooks.on_front:
            self._front.update(before)
            self._points = set(self._on_front())
        self._failing: set[str] = set()  # hooks of which it has been said
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="hooks", daemon=True)

    def __enter__(self) -> Hooks:
        if self._hooks.on_failure or self._hooks.on_front:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()

    def _follow(self) -> None:
        ends = False
        while not ends:
            ends = self._done.wait(INTERVAL_S)
            self.look(self._recorder.snapshot())

    def look(self, snapshot: Snapshot) -> None:
        """Call what there is news for since the last look; several trials that have failed are one call."""
        failed = [row for row in snapshot.rows[self._looked_at :] if row["state"] == "failed"]
        self._looked_at = len(snapshot.rows)
        if failed:
            trial, reason = failed[-1]["trial"], failed[-1]["reason"]
            others = f"{len(failed)} trials failed; the last, " if len(failed) > 1 else ""
            self._call("on_failure", f"{others}trial {trial}: {reason}", trial=trial)
        if self._hooks.on_front and self._front.update(snapshot):
            now, summary = self._on_front(), self._front.summary
            if new := now.keys() - self._points:
                self._points |= new
                text = f"the front has {len(summary.front)} points, hypervolume {summary.hypervolume:.4f}"
                trial = max(now[point] for point in new)
                self._call("on_front", text, trial=trial, hypervolume=summary.hypervolume)

    def ended(self, exit_code: int, text: str) -> None:
        """Tell that the search has ended, with its exit code and what came of it."""
        self._call("on_end", text, exit_code=exit_code)

    def _on_front(self) -> dict[tuple[str, ...], int]:
        """Return the points on the front, each with a trial of it; which one may change with every seed."""
        front = self._front.summary.front
        columns = [name for name in self._columns if name in front]
        rows = front.astype(object).to_dict("records")
        return {tuple(str(row[name]) for name in columns): int(row["trial"]) for row in rows}

    def _call(self, event: str, text: str, **more: object) -> None:
        hook = getattr(self._hooks, event)
        if not hook:
            return
        told = {"event": event, "run": str(self._recorder.folder), "text": f"{self._name}: {text}", **more}
        try:
            call(hook, told)
        except Exception as error:  # whatever a network, a shell or a user's command does
            log.warning("hooks.%s fails", event, exc_info=True)
            if event not in self._failing:
                self._notice(f"hooks.{event}: {redacted(one_line(error))[:200]}")
            self._failing.add(event)


def check_hooks(space: Space, file: Path) -> None:
    """Refuse a hook that would call nothing.

    Raises:
        InputError: It is a comment, or no whole URL, or a variable in it is not set here.
    """
    for event, hook in space.hooks:
        if hook is None:
            continue
        url = os.path.expandvars(hook)
        parts = urlsplit(url)
        alone = re.fullmatch(r"\s*\$(\w+|{\w+})\s*", url)
        unset = alone or (re.search(r"\$(\w+|{\w+})", url) if _is_url(url) else None)
        if unset:
            raise InputError(f"{file}: hooks.{event}: {unset[0].strip()} is not set here; set it")
        if url.lstrip().startswith("#") or not url.strip():
            raise InputError(f"{file}: hooks.{event}: is empty or a comment; expected a command or a URL")
        if _is_url(url) and not parts.netloc:
            raise InputError(f"{file}: hooks.{event}: {hook!r:.80} is no whole URL, such as https://example.org/place")


def _is_url(text: str) -> bool:
    return re.match(r"https?:", text, re.IGNORECASE) is not None


def call(hook: str, told: Mapping[str, object]) -> None:
    """Call a hook.

    Args:
        hook: A command for the shell, or a URL; `$NAME` in a URL is a variable of the environment, so that it need not
            stand in a file.
        told: What there is to say, plain values by name.

    Raises:
        OSError: A URL does not answer, or answers with an error.
        subprocess.SubprocessError: A command fails, or takes too long.
    """
    url = os.path.expandvars(hook)
    if _is_url(url):
        data = json.dumps(told).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=WITHIN_S).close()
        return
    environment = os.environ | {PREFIX + name.upper(): str(value) for name, value in told.items()}
    subprocess.run(hook, shell=True, check=True, timeout=WITHIN_S, stdin=subprocess.DEVNULL, env=environment)
