"""Run folders that a stranger may send: sound ones, damaged at random by a seed, and what reads them.

`python -m tests.damaged_runs FIRST LAST [SHARE]` tries the seeds from FIRST to before LAST, and says what went wrong;
SHARE of the folders get figures and a report.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import itertools
import json
import logging
import math
import os
import random
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from results import read_curves, read_trials, rebuild, unite
from results.__main__ import main as rebuild_command
from results.exceptions import RecordError
from results.front.noise import trained_again
from results.pick import main as pick
from results.records.lock import is_searched
from results.verify.__main__ import main as verify
from tests.results.conftest import GUARDS, OBJECTIVES, PARAMETERS, RunMaker

FIGURES, WITHIN_S = 0.02, 300
FEWER = functools.partial(trained_again, draws=10)  # they take most of the time, and say nothing of the records
CELLS = ["", " ", "nan", "inf", "-inf", "1e999", "-1e999", "1e308", "-1e308", "1e-320", "0", "-0.0", "true", "None"]
CELLS += ["99999999999999999999", "9" * 400, "9" * 5000, "-1", "0x10", "1_000", "١", "null", "[1, 2]", '"', "a,b"]
CELLS += ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-13-01", "1500-01-01", "2026-01-02", "\0"]
CELLS += [
    "[mean,std]",
    "[/x]",
    "[red]",
    "<img src=x onerror=alert(1)>",
    "</script>",
    "$x_",
    "\\frac{",
    "%s{}",
    "\x1b[2J",
]
CELLS += ["../../outside/victim.txt", "/etc/passwd", "..", ".", "a/b", "a" * 300, "x" * 100_000, "é" * 200, "\u202e"]
VALUES: list[Any] = [None, True, False, 0, -1, 2.5, 1e308, -1e308, 10**30, 2**63, 10**400, math.inf, math.nan]
VALUES += [[], {}, [[1]], {"a": {"b": None}}, {"below": 1.0}, [None], ["a", ["b"]], {1: 2}, "minimise", "choice", "log"]
VALUES += CELLS
NAMES = ["names", "run", "seeds", "front_probability", "stitch_fvu_std", "trial", "epoch", "points", "line", "knee"]
NAMES += ["a/b", "../x", "..", "a b", "[/x]", "<b>", '"q"', "$x$", "x" * 300, "a\nb", "a,b", "é", "=1+1", "", "method"]
TEXTS = [b"", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"{", b"a: &a [*a]\n", b"? [1]\n: 2\n", b"<<: 3\n", b"- 1\n"]
TEXTS += [b"!!python/object/apply:os.system ['true']\n", b"a: 2026-13-01\n", b'a: "\\ud800"\n', b"a: !!int x\n"]
TEXTS += ['{"a": 1}'.encode("utf-16"), b"\x80" * 50, b"x" * 1_000_000, b"," * 10_000, b"[" * 5000, b"\r", b"\n\n"]
BOMB = [f"{letter}: &{letter} [{', '.join([f'*{inner}'] * 9)}]" for inner, letter in itertools.pairwise("abcdefghijk")]
TEXTS += ["\n".join(["a: &a [1, 1]", *BOMB, ""]).encode()]


def sound_runs(root: Path) -> list[Path]:
    """Small run folders of every kind: with failed trials, with replicates, with exports, of three objectives."""
    maker = RunMaker(root)
    made = [maker.write(maker.trade(14), "single")]
    shared = {name: maker.row(3)[name] for name in PARAMETERS}
    rows = maker.trade(8) + [{**row, **shared, "trial": row["trial"] + 20} for row in maker.trade(4, seed=1)]
    made.append(maker.write(rows, "replicates"))
    third = {"metric": "window_samples", "name": "window", "direction": "maximise", "reference": 2.0}
    made.append(maker.write(maker.trade(9, seed=2), "three", objectives=[*OBJECTIVES, third]))
    swept = {"parameter": "action_weight", "factors": [0.5], "epochs": 2, "most": 2}
    lines = [{**row, "line": "0.1 > 0.2", "inherited_epochs": 1, "code": ""} for row in maker.trade(7, seed=3)]
    made.append(maker.write(lines, "lines", parameters={**PARAMETERS, "line": {}}, sweep=swept, artefacts=False))
    document = yaml.safe_load((made[-1] / "space.yaml").read_text())
    del document["parameters"]["line"]
    (made[-1] / "space.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    for folder in made:
        rebuild(folder, figures=False)
    shutil.copytree(made[0] / "best/knee", made[0] / "best/earlier")
    (made[0] / "best/mine").mkdir()
    (made[0] / "best/mine/notes.txt").write_text("the user's")
    for name in ("fronts", "figures"):
        (made[1] / name).mkdir()
        (made[1] / name / "by_method.csv").write_text("old")
    return made


def victims(folder: Path) -> None:
    """Files beside the runs that nobody may touch, under the names that records, pages and pictures have."""
    names = ("victim.txt", "front.csv", "front.png", "by_method.csv", "export.json", "model.safetensors", "README.md")
    for place in (folder, folder / "knee", folder / "best"):
        place.mkdir(parents=True, exist_ok=True)
        for name in names:
            (place / name).write_text(f"mine: {name}")


def state(folder: Path) -> dict[str, tuple[Any, ...]]:
    """What is in a folder: names, kinds, bytes, and times of change."""
    found = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        about = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (about.st_mode, about.st_mtime_ns, about.st_ino, content)
    return found


def damage(folder: Path, outside: Path, draw: random.Random) -> list[str]:
    """Damage a run folder in one to three ways, and say how."""
    return [draw.choice(DAMAGES)(folder, outside, draw) for _ in range(draw.choice((1, 1, 1, 2, 3)))]


def _any(folder: Path, draw: random.Random, pattern: str = "**/*") -> Path | None:
    files = sorted(path for path in folder.glob(pattern) if path.is_file() and not path.is_symlink())
    records = [path for path in files if path.parent == folder]
    return draw.choice(records if records and draw.random() < 0.6 else files) if files else None


def _flip(folder: Path, outside: Path, draw: random.Random) -> str:
    path = _any(folder, draw)
    content = bytearray(path.read_bytes()) if path else bytearray()
    if not path or not content:
        return "nothing"
    for _ in range(draw.choice((1, 3, 20))):
        content[draw.randrange(len(content))] = draw.choice((draw.randrange(256), 0, 10, 34, 44, 45, 255))
    path.write_bytes(content)
    return f"bytes of {path.name}"


def _lines(folder: Path, outside: Path, draw: random.Random) -> str:
    path = _any(folder, draw)
    if not path:
        return "nothing"
    lines = path.read_bytes().split(b"\n")
    at, what = draw.randrange(len(lines)), draw.choice(("cut", "twice", "gone", "end", "text"))
    if what == "cut":
        lines[at] = lines[at][: draw.randrange(len(lines[at]) + 1)]
    elif what == "twice":
        lines.insert(draw.randrange(len(lines) + 1), lines[at])
    elif what == "gone":
        del lines[at]
    elif what == "end":
        lines[at:] = [lines[at][: draw.randrange(len(lines[at]) + 1)]]
    else:
        lines.insert(at, draw.choice(TEXTS))
    path.write_bytes(b"\n".join(lines))
    return f"line {at + 1} of {path.name}: {what}"


def _cell(folder: Path, outside: Path, draw: random.Random) -> str:
    path = draw.choice((folder / "trials.csv", folder / "trials.csv", folder / "curves.csv", folder / "front.csv"))
    if not path.is_file() or path.is_symlink():
        return "nothing"
    lines = [line.split(",") for line in path.read_text(errors="replace").split("\n")]
    value = draw.choice(CELLS)
    column = draw.randrange(len(lines[0]))
    for line in lines[1:] if draw.random() < 0.3 else [draw.choice(lines)]:
        if column < len(line):
            line[column] = value
    path.write_text("\n".join(",".join(line) for line in lines))
    return f"column {column} of {path.name}: {value!r:.40}"


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every key path of nested values."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from places(one, (*path, key))


def _spoil(document: Any, draw: random.Random, values: list[Any]) -> str:
    found = list(places(document))
    if not found:
        return "nothing"
    *outer, last = draw.choice(found)
    place = document
    for key in outer:
        place = place[key]
    what = draw.choice(("change", "change", "change", "remove", "rename"))
    if what == "change" or isinstance(place, list):
        place[last] = copy.deepcopy(draw.choice(values))
        return f"{'.'.join(map(str, (*outer, last)))} = {place[last]!r:.40}"
    moved = place.pop(last)
    if what == "rename":
        place[draw.choice(NAMES)] = moved
    return f"{'.'.join(map(str, (*outer, last)))}: {what}"


def _yaml(folder: Path, outside: Path, draw: random.Random) -> str:
    path = folder / "space.yaml" if draw.random() < 0.8 else _any(folder, draw, "**/*.yaml")
    try:
        document = yaml.safe_load(path.read_text()) if path else None
    except (OSError, ValueError, yaml.YAMLError):
        return "nothing"
    if not path or path.is_symlink() or not isinstance(document, dict):
        return "nothing"
    told = _spoil(document, draw, VALUES)
    path.write_bytes(yaml.safe_dump(document, sort_keys=False, allow_unicode=draw.random() < 0.5).encode())
    return f"{path.name}: {told}"


def _json(folder: Path, outside: Path, draw: random.Random) -> str:
    path = _any(folder / "best", draw, "*/export.json")
    try:
        document = json.loads(path.read_text()) if path else None
    except (OSError, ValueError):
        return "nothing"
    if not path or not isinstance(document, dict):
        return "nothing"
    if draw.random() < 0.5:
        up = draw.choice(("../../../outside/victim.txt", f"{outside}/victim.txt", "..", ".", "../../trials.csv", "a\0"))
        document["files"] = {**document.get("files", {}), up: "0"}
        told = up
    else:
        told = _spoil(document, draw, VALUES)
    path.write_text(json.dumps(document, default=str))
    return f"{path.parent.name}/{path.name}: {told}"


def _place(folder: Path, outside: Path, draw: random.Random) -> str:
    known = ["best", "best/knee", "best/kl", "fronts", "figures", "trials", "trials/0", "trials/2", ".lock"]
    known += [".front.csv.part", ".hypervolume.csv.part", "best/knee/.export.json.part", "front.csv", "best/utopia"]
    path = folder / draw.choice(known) if draw.random() < 0.5 else _any(folder, draw)
    if path is None or not path.parent.is_dir() or path.parent.is_symlink():
        return "nothing"
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    made: dict[str, Callable[[], object]] = {
        "gone": lambda: None,
        "folder": path.mkdir,
        "full folder": lambda: ((path / "a").mkdir(parents=True), (path / "by_x.csv").mkdir()),
        "link to a file": lambda: path.symlink_to(outside / "victim.txt"),
        "link to a folder": lambda: path.symlink_to(outside),
        "link to a name alike": lambda: path.symlink_to(outside / path.name),
        "link to nowhere": lambda: path.symlink_to(outside / "not there"),
        "link to itself": lambda: path.symlink_to(path.name),
        "link to a device": lambda: path.symlink_to("/dev/zero"),
        "pipe": lambda: os.mkfifo(path),
        "text": lambda: path.write_bytes(draw.choice(TEXTS)),
    }
    what = draw.choice([*made])
    made[what]()
    return f"{path.relative_to(folder)}: {what}"


def _name(folder: Path, outside: Path, draw: random.Random) -> str:
    """Give a parameter, a metric or an objective another name, everywhere."""
    metrics = [entry["metric"] for entry in OBJECTIVES]
    old, new = draw.choice([*PARAMETERS, *metrics, *GUARDS, "recon", "kl", "fraction of variance"]), draw.choice(NAMES)
    for name in ("space.yaml", "trials.csv", "curves.csv", "front.csv"):
        path = folder / name
        if path.is_file() and not path.is_symlink():
            shown = json.dumps(new) if name == "space.yaml" else new
            path.write_bytes(path.read_bytes().replace(old.encode(), shown.encode()))
    return f"{old} is called {new!r:.40}"


DAMAGES = (_flip, _lines, _lines, _cell, _cell, _cell, _yaml, _yaml, _yaml, _json, _place, _place, _place, _name)


class Trouble(Exception):
    """What should not have come of a damaged run folder."""


def _late(number: int, frame: object) -> None:
    raise Trouble("takes too long")


def _command(main: Callable[[list[str]], int], *arguments: object) -> int:
    """Run a command line; every end but success, and the first line of an error, is trouble."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    said, told = out.getvalue(), err.getvalue().splitlines()
    errors = [line for line in told if line.startswith("error: ")]
    if code not in (0, 1, 2) or len(errors) != (code == 2):
        raise Trouble(f"exit code {code}: {told}")
    if not all(line.startswith(("error: ", "warning: ", "differs: ", "the records do not agree")) for line in told):
        raise Trouble(f"other lines: {told}")
    if "\x1b" in said + err.getvalue() or "\0" in said + err.getvalue():
        raise Trouble("sends commands to the terminal")
    return code


def _retraining(*_: object) -> None:
    raise RecordError("not trained here")


def attempt(folder: Path, sound: Path, out: Path, draw: random.Random) -> None:
    """Rebuild a run folder, and read it in three of the other ways that there are.

    Raises:
        Exception: Anything but a refusal in a line.
    """
    figures = draw.random() < FIGURES
    best = folder / "best"
    exported = sorted(path.name for path in best.iterdir()) if best.is_dir() and not best.is_symlink() else ["knee"]
    smallest = ("--minimise", "stitch_fvu", "--at-least", "num_sub_actions=1", "--name", "mine")
    others: list[Callable[[], object]] = [
        lambda: read_trials(folder),
        lambda: read_curves(folder),
        lambda: is_searched(folder),
        lambda: unite([folder, sound], out, figures=False),
        lambda: _command(rebuild_command, folder),
        lambda: _command(pick, folder),
        lambda: _command(pick, folder, *smallest),
        lambda: _command(pick, folder, "--knee", "utopia"),
        lambda: _command(verify, best / draw.choice(exported or ["knee"])),
        lambda: _command(verify, best / "knee"),
    ]
    with (
        mock.patch("results.__main__.rebuild", lambda run, by: rebuild(run, by, figures=False)),
        mock.patch("results.verify.__main__.Retraining", _retraining),
    ):
        for step in (lambda: rebuild(folder, figures=figures), *draw.sample(others, 3)):
            with contextlib.suppress(RecordError):
                step()


def try_seed(seed: int, sounds: list[Path], work: Path) -> tuple[str, str] | None:
    """Damage a folder by a seed and read it; return what was damaged and what went wrong, None where nothing did."""
    draw = random.Random(seed)
    outside, case = work / "outside", work / "case"
    shutil.rmtree(case, ignore_errors=True)
    sound = draw.choice(sounds)
    folder = case / sound.name
    shutil.copytree(sound, folder)
    told = "; ".join(damage(folder, outside, draw))
    before = state(outside)
    signal.signal(signal.SIGALRM, _late)
    signal.alarm(WITHIN_S)
    trouble = ""
    try:
        with warnings.catch_warnings(), mock.patch("results.front.knee.trained_again", FEWER):
            warnings.simplefilter("error", RuntimeWarning)
            attempt(folder, sounds[0], case / "union", draw)
    except Exception:
        trouble = traceback.format_exc()
    finally:
        signal.alarm(0)
    if (after := state(outside)) != before:
        trouble += f"touched outside: {sorted({*before.items()} ^ {*after.items()})}"
        shutil.rmtree(outside)
        victims(outside)
    return (f"seed {seed}, {sound.name}: {told}", trouble) if trouble else None


def main(arguments: list[str]) -> int:
    """Try seeds, and return how many ended in trouble, at most 1."""
    global FIGURES
    first, last = map(int, arguments[:2])
    FIGURES = float(arguments[2]) if arguments[2:] else FIGURES
    kinds: Counter[str] = Counter()
    touched = 0
    with tempfile.TemporaryDirectory() as place:
        logging.disable()  # of tables that are cut off
        work = Path(place)
        victims(work / "outside")
        sounds = sound_runs(work / "sound")
        for seed in range(first, last):
            if seed % 100 == 0 and seed > first:
                print(f"{seed - first} folders, {sum(kinds.values())} with trouble", flush=True)
            if found := try_seed(seed, sounds, work):
                case, trouble = found
                kinds[trouble.strip().splitlines()[-1][:200]] += 1
                touched += "touched outside" in trouble
                if kinds[trouble.strip().splitlines()[-1][:200]] == 1:
                    print(f"{case}\n{trouble}", flush=True)
    print(
        f"{last - first} folders, {sum(kinds.values())} with trouble of {len(kinds)} kinds, {touched} touched outside"
    )
    for kind, count in kinds.most_common():
        print(f"{count:6d}  {kind}")
    return bool(kinds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
