"""Whatever a space file or a command line says, it is refused in one line with exit code 2, or the search begins."""

import copy
import random
from pathlib import Path

import pytest
import yaml

from search import run

SPACES, COMMANDS = 500, 200
SECTIONS = {  # that a space may have, beside those of the toy
    "resources": {"memory_gib": 0.5, "env": {"A": "1"}, "slots": 1, "start_within_s": 9.0, "recycle_after_trials": 3},
    "hooks": {"on_end": "true", "on_front": "https://example.org/"},
    "track": {"tensorboard": False, "callbacks": []},
    "sampler": {"name": "optuna.samplers:NSGAIISampler", "arguments": {"population_size": 4}},
    "halving": {"first_rung": 2, "reduction": 2, "startup_trials": 1},
    "sweep": {"parameter": "x", "factors": [0.5], "epochs": 2, "most": 2},
    "start": [{"x": 0.5, "kind": "b", "width": 8}, {}],
    "budget": {"trials": 8, "epochs": 10, "trial_wall_clock_s": 9, "max_failures": 2, "replicates": 2},
    "keep_models": "front",
}
VALUES = [None, True, False, 0, -1, 1, 3, 2.5, 1e308, -1e308, 10**30, 2**63, float("inf"), float("nan")]
VALUES += [
    "",
    " ",
    "a",
    "x",
    "1e-4",
    "no",
    "x, y",
    "ü\n",
    "\ud800",
    "toy_study:ToyStudy",
    "../toy.yaml",
    "/dev/null",
    "model",
]
VALUES += ["minimise", "first", [], {}, [1, "1", 1.0], [[1]], {"a": {"b": None}}, {"below": 1.0}]
VALUES += [{"type": "int", "low": 1, "high": 3}]
NAMES = [
    "",
    "1",
    "a.b",
    "epochs",
    "fixed",
    "line",
    "low",
    "name",
    "parameters",
    "trial",
    "values",
    "when",
    "width",
    "x",
]
TEXTS = [
    b"\xff\xfe",
    b"\0",
    b"{",
    b"a: &a [*a]\n",
    b"? [1]\n: 2\n",
    b"<<: 3\n",
    b"!!python/object:os.system x\n",
    b"- 1\n",
]
OPTIONS = [
    "--out",
    "--address",
    "--mirror",
    "--trials",
    "--epochs",
    "--replicates",
    "--slots",
    "--seed",
    "--set",
    "--start",
    "--warm-start",
    "--reuse",
]
OPTIONS += ["--resume", "--deterministic", "--accept-changed-code", "--nothing", "-x"]
WORDS = [
    "0",
    "1",
    "-1",
    "3",
    "1e3",
    "10000000000000000000",
    "toy.yaml",
    "toy_study.py",
    ".",
    "/dev/null/x",
    "runs/toy",
    "x=1",
    "width=8",
    "width=",
    "=8",
    "x=[",
]
WORDS += ["a.b=1", "sleep_s=word", "s3:", "file:///dev/null/x", "auto:1", "ray://a:1", "ü", "--", "kind=c", "seed=3"]
WORDS += ["127.0.0.1:9", "", "a b"]


@pytest.fixture
def attempt(space_folder, monkeypatch, capfd):
    """Returns exit code and message of a command line whose search ends where Ray would start."""
    monkeypatch.setattr(run, "_search", lambda *begun: 0)
    monkeypatch.setattr("search.cluster.CONNECT_TIMEOUT_S", 0.2)

    def begin(*arguments):
        code = run.main([*arguments])
        return code, capfd.readouterr().err

    return begin


def places(value, path=()):
    """Every key path of nested values."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from places(one, (*path, key))


def spoilt(document, draw):
    """The document with one to three keys changed, added or removed."""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        found = list(places(document))
        if not found:
            return document
        *outer, last = draw.choice(found)
        place = document
        for key in outer:
            place = place[key]
        what = draw.choice(["change", "change", "add", "remove", "rename"])
        if what == "change" or isinstance(place, list):
            place[last] = copy.deepcopy(draw.choice(VALUES))
        elif what == "add":
            place[draw.choice(NAMES)] = copy.deepcopy(draw.choice(VALUES))
        elif what == "remove":
            del place[last]
        else:
            place[draw.choice(NAMES)] = place.pop(last)
    return document


def check(code, message, case):
    assert code in (0, 2), (case, message)
    if code:
        assert message.startswith("error: "), (case, message)
        assert message.count("\n") == 1, (case, message)
        assert "Traceback" not in message, (case, message)
        assert len(message) < 1000, (case, message)


def test_any_space_file_is_refused_in_a_line_or_begun(document, attempt):
    draw, codes = random.Random(0), []
    for _ in range(SPACES):
        if draw.random() < 0.05:
            content = draw.choice(TEXTS)
        else:
            given = copy.deepcopy(document | {key: SECTIONS[key] for key in draw.sample([*SECTIONS], 3)})
            given["parameters"]["kind"]["when"] = {"width": [8, 16]}
            text = yaml.safe_dump(spoilt(given, draw), allow_unicode=draw.random() < 0.5, sort_keys=False)
            content = text.encode("utf-8", "surrogatepass")
            if draw.random() < 0.1:
                at = draw.randrange(len(content) + 1)
                content = content[:at] + draw.choice(TEXTS) + content[at:]
        Path("toy.yaml").write_bytes(content)
        code, message = attempt("toy.yaml")
        codes.append(code)
        check(code, message, content)
    assert codes.count(0) > SPACES / 20, "some are whole all the same"
    assert not Path("runs").exists(), "nothing is left of what was refused"


def test_any_command_line_is_refused_in_a_line_or_begun(attempt):
    draw, codes = random.Random(0), []
    for _ in range(COMMANDS):
        arguments = ["toy.yaml"] if draw.random() < 0.95 else []
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            arguments.append(draw.choice(OPTIONS))
            if draw.random() < 0.8:
                arguments.append(draw.choice(WORDS))
        code, message = attempt(*arguments)
        codes.append(code)
        check(code, message, arguments)
    assert codes.count(0) > COMMANDS / 20
