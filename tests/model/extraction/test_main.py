"""The command line, against a real HTTP endpoint on loopback and through the real client."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from language_model_server import LanguageModelServer, Reply, good_answer

from model.extraction.__main__ import main
from model.sub_actions.vocabulary import load_vocabulary

NAMES = ["walking", "3.0", "no"]
LABELS = """
name: my_watch
sensor: three-axis accelerometer
place: dominant wrist
rate_hz: 50
classes:
  walking:
  3.0: {title: sawing, note: wood on a bench}
  no: no movement at all
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with a labels file."""
    (tmp_path / "labels.yaml").write_text(LABELS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def extract(place, language_model_server, capsys):
    """Runs the command with some options; answers its code, its output and what it said on stderr."""

    def run(*options, url=language_model_server.url):
        base = ["--base-url", url] if url else []
        code = main(["labels.yaml", "--out", "out.yaml", "--model", "toy", "--phrases", "4", *base, *options])
        said = capsys.readouterr()
        assert said.err.count("\n") == (code != 0), said.err
        return code, said.out, said.err

    return run


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def kept(folder):
    return [json.loads(line) for line in (folder / "out.answers.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_a_good_answer(extract, place, language_model_server):
    code, out, _ = extract("--seed", "7", "--temperature", "0.5")
    assert code == 0
    assert files(place) == ["labels.yaml", "out.answers.jsonl", "out.yaml"]
    vocabulary = load_vocabulary(place / "out.yaml")
    assert vocabulary.classes == {name: tuple(p) for name, p in good_answer(NAMES, 4)["classes"].items()}
    assert (vocabulary.name, vocabulary.style, vocabulary.titles) == ("my_watch", "keywords", {"3.0": "sawing"})
    assert "three-axis accelerometer, worn at: dominant wrist, 50 Hz." in vocabulary.description
    (asked,) = language_model_server.requests
    assert (asked["model"], asked["seed"], asked["temperature"]) == ("toy", 7, 0.5)
    assert asked["response_format"]["json_schema"]["strict"]
    record = vocabulary.extraction
    assert record.pop("prompt") == asked["messages"][0]["content"]
    assert abs(time.time() - time.mktime(time.strptime(record.pop("time"), "%Y-%m-%dT%H:%M:%SZ")) + time.timezone) < 60
    assert record.pop("version")
    assert record == {
        "model": "toy",
        "backend": "openai",
        "base_url": language_model_server.url,
        "temperature": 0.5,
        "seed": 7,
        "style": "keywords",
        "attempts": 1,
    }
    assert [line["not_used_because"] for line in kept(place)] == [[]]
    assert "out.yaml" in out


def test_the_file_is_for_people(extract, place):
    assert extract("--style", "phases", "--wordings")[0] == 0
    text = (place / "out.yaml").read_text()
    assert text.startswith("# ")
    keys = ["name", "description", "style", "titles", "classes", "wordings", "extraction"]
    assert list(yaml.safe_load(text)) == keys
    assert "\n  walking:\n    - arm swings forward\n    - wrist turns inward\n" in text
    assert "\n  '3.0':\n" in text  # quoted, or YAML would read a number
    assert "\n  'no':\n" in text
    assert "\n  prompt: |-\n    A wearable sensor" in text
    assert len(load_vocabulary(place / "out.yaml").wordings) == 8
    assert load_vocabulary(place / "out.yaml").style == "phases"


def test_an_edited_file_is_used_as_it_stands(extract, place):
    extract()
    text = (place / "out.yaml").read_text().replace("arm swings forward", "my own very long phrase, slowly, to say so")
    (place / "out.yaml").write_text(text.split("extraction:")[0])
    assert load_vocabulary(place / "out.yaml").classes["walking"][0] == "my own very long phrase, slowly, to say so"
    code, _, err = extract()
    assert code == 2
    assert "out.yaml exists and may have been edited; name another, or --force overwrites it" in err
    assert "my own very long phrase" in (place / "out.yaml").read_text()


def test_an_existing_file_is_refused_before_anything_is_asked(extract, place, language_model_server):
    (place / "out.yaml").write_text("mine")
    assert extract()[0] == 2
    assert (place / "out.yaml").read_text() == "mine"
    assert language_model_server.requests == []
    assert extract("--force")[0] == 0
    assert len(load_vocabulary(place / "out.yaml").classes) == 3


def test_a_failure_leaves_the_old_file_alone(extract, place, language_model_server):
    (place / "out.yaml").write_text("mine")
    language_model_server.say(*["no"] * 3)
    assert extract("--force")[0] == 1
    assert (place / "out.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("labels.yaml", "labels.yaml is the labels file itself"),
        (".", ". is a folder; name a file in it"),
        ("labels.yaml/x.yaml", "is no folder that you may write to"),
    ],
)
def test_targets_that_cannot_be(extract, language_model_server, target, message):
    code, _, err = extract("--force", "--out", target)
    assert code == 2
    assert message in err
    assert language_model_server.requests == []


def test_a_new_folder_and_a_link(extract, place):
    (place / "real.yaml").write_text("old")
    (place / "link.yaml").symlink_to("real.yaml")
    assert extract("--out", "new/folder/a.yaml")[0] == 0
    assert files(place / "new" / "folder") == ["a.answers.jsonl", "a.yaml"]
    assert extract("--out", "link.yaml", "--force")[0] == 0
    assert (place / "link.yaml").is_symlink()
    assert load_vocabulary(place / "real.yaml").name == "my_watch"


def test_a_bad_answer_is_mended(extract, place, language_model_server):
    bad = good_answer(NAMES, 4)
    bad["classes"]["walking"][0] = "arm swings quickly"
    language_model_server.say("<think>hm</think>```json\n" + json.dumps(bad) + "\n```")
    code, out, _ = extract()
    assert code == 0
    first, second = language_model_server.requests
    assert second["messages"][0] == first["messages"][0]
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "user"]
    assert json.loads(second["messages"][1]["content"].strip("`json\n")) == bad
    assert "the phrase 'arm swings quickly' has the adverb 'quickly'" in second["messages"][2]["content"]
    assert load_vocabulary(place / "out.yaml").extraction["attempts"] == 2
    assert "answer 1 cannot be used: the phrase 'arm swings quickly'" in out
    lines = kept(place)
    assert lines[0]["answer"].startswith("<think>")
    assert "adverb" in lines[0]["not_used_because"][0]
    assert lines[1]["not_used_because"] == []


def test_three_bad_answers(extract, place, language_model_server):
    language_model_server.say("", "no", {"classes": {"walking": ["a b"]}})
    code, _, err = extract()
    assert code == 1
    assert "none of 3 answers could be used; the last one: the class '3.0' is missing (and 2 more)" in err
    assert "(what came back is in out.answers.jsonl)" in err
    assert files(place) == ["labels.yaml", "out.answers.jsonl"]
    assert [line["answer"] for line in kept(place)] == ["", "no", '{"classes": {"walking": ["a b"]}}']
    assert [message["content"] for message in language_model_server.requests[2]["messages"][1::2]] == [
        "(nothing)",
        "no",
    ]


@pytest.mark.parametrize(
    ("reply", "code", "message"),
    [
        (Reply(refusal="I will not."), 1, "the model refused (I will not.): reword the labels file"),
        (Reply("", finish="content_filter"), 1, "the model refused: reword"),
        (Reply(status=400, error="filtered", code="content_filter"), 1, "the model refused (400: filtered)"),
        (Reply('{"classes": {', finish="length"), 1, "the answer was cut after 13 characters: ask for fewer --phrases"),
        (Reply(status=429, error="slow\ndown"), 1, "too many requests (429: slow down): wait and try again"),
        (Reply(status=503), 1, "failed (HTTP status 503): look into the server's log"),
        (Reply(status=403, error="not yours"), 2, "does not accept the key (403: not yours): check OPENAI_API_KEY"),
        (Reply(body=b"<html>hello</html>"), 2, "not as a chat completion endpoint: check --base-url"),
        (Reply(status=413, error="x" * 900), 2, f"refuses the request (413: {'x' * 200}...)"),
    ],
)
def test_what_an_endpoint_may_answer(extract, place, language_model_server, reply, code, message):
    language_model_server.say(reply)
    got, _, err = extract()
    assert got == code, err
    assert message in err
    assert "out.yaml" not in files(place)
    assert len(language_model_server.requests) == 1
    came = code == 1 and reply.status in (200, 400)
    assert ("what came back is in out.answers.jsonl" in err) == came == ("out.answers.jsonl" in files(place))


def test_too_late(extract, place, language_model_server):
    language_model_server.say(Reply("{}", delay_s=600.0))
    began = time.monotonic()
    code, _, err = extract("--timeout", "0.3")
    assert time.monotonic() - began < 300, "it did not wait for the answer"
    assert code == 1
    assert "gave no answer within 0.3 s: give it longer with --timeout" in err
    assert files(place) == ["labels.yaml"]


def test_keys(extract, language_model_server, monkeypatch):
    language_model_server.key = "right"
    code, _, err = extract()
    assert code == 2
    assert "does not accept the key (401: Incorrect API key provided): check OPENAI_API_KEY" in err
    monkeypatch.setenv("OPENAI_API_KEY", "wrong")
    assert extract()[0] == 2
    monkeypatch.setenv("OPENAI_API_KEY", " right\n")
    assert extract()[0] == 0, language_model_server.headers[-1]
    monkeypatch.setenv("OPENAI_API_KEY", "“right”")
    code, _, err = extract("--force")
    assert code == 2
    assert "the key in OPENAI_API_KEY has characters that no key has" in err
    assert "right" not in err


def test_no_key_and_no_address(extract, monkeypatch, language_model_server):
    code, _, err = extract(url=None)
    assert code == 2
    assert "there is no key in OPENAI_API_KEY and no address" in err
    monkeypatch.setenv("OPENAI_BASE_URL", language_model_server.url)
    assert extract(url=None)[0] == 0


@pytest.mark.parametrize("url", ["localhost:80/v1", "ftp://a/v1", "http://", "http://a:port/v1", "http://a b/v1"])
def test_what_is_no_address(extract, url):
    code, _, err = extract(url=url)
    assert code == 2
    assert "--base-url (or OPENAI_BASE_URL) is no address" in err


def test_nobody_listens(extract):
    code, _, err = extract(url="http://user:secret@127.0.0.1:9/v1?key=secret")  # the discard port: refused
    assert code == 2
    assert "http://127.0.0.1:9/v1 cannot be reached (" in err
    assert "Connection refused): is the server running?" in err
    assert "secret" not in err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems queue differently")
def test_nobody_takes_the_call(extract):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as busy:
        waiting = [socket.socket() for _ in range(3)]  # they fill the queue, so that the next one gets no connection
        for caller in waiting:
            caller.setblocking(False)
            caller.connect_ex(busy.getsockname())
        code, _, err = extract("--timeout", "0.5", url=f"http://127.0.0.1:{busy.getsockname()[1]}/v1")
        for caller in waiting:
            caller.close()
    assert code == 2
    assert "cannot be reached (timed out): is the server running?" in err


def test_credentials_are_not_written(extract, place, language_model_server):
    assert extract(url=language_model_server.url.replace("//", "//user:secret@") + "/")[0] == 0
    assert load_vocabulary(place / "out.yaml").extraction["base_url"] == language_model_server.url
    assert "secret" not in (place / "out.yaml").read_text()


def test_models_that_are_not_there(extract, language_model_server):
    language_model_server.models = ["toys-7b", "other", "toys-1b"]
    code, _, err = extract()
    assert code == 2
    assert "does not know the model toy (404: The model toy does not exist): check --model; it has toys-" in err
    assert "and others" in err
    code, _, err = extract(url=language_model_server.url.removesuffix("/v1"))
    assert code == 2
    assert "check --model, and --base-url (it often ends in /v1)" in err


def test_an_endpoint_without_structured_output(extract, language_model_server):
    language_model_server.structured = False
    language_model_server.say("no", good_answer(NAMES, 4))
    assert extract()[0] == 0
    assert ["response_format" in request for request in language_model_server.requests] == [True, False, False]


def test_an_endpoint_that_refuses_more_than_structured_output(extract, language_model_server):
    language_model_server.say(*[Reply(status=400, error="temperature is not supported")] * 2)
    code, _, err = extract("--temperature", "1")
    assert code == 2
    assert "refuses the request (400: temperature is not supported)" in err


def test_halves_of_surrogate_pairs(extract, place, language_model_server):
    language_model_server.say("half \ud83d of a pair")
    assert extract()[0] == 0
    assert kept(place)[0]["answer"] == "half ? of a pair"


def test_broken_labels(extract, place, language_model_server):
    (place / "labels.yaml").write_text(LABELS.replace("sensor", "sensr"))
    code, _, err = extract()
    assert code == 2
    assert "labels.yaml: sensr: unknown key; did you mean 'sensor'?" in err
    assert language_model_server.requests == []


def test_base_url_means_nothing_here(extract):
    code, _, err = extract("--backend", "transformers")
    assert code == 2
    assert "--base-url: means nothing with --backend transformers" in err


@pytest.mark.parametrize(
    ("option", "value"), [("--phrases", "1"), ("--seed", "-1"), ("--temperature", "nan"), ("--timeout", "0")]
)
def test_numbers_out_of_range(place, capsys, option, value):
    assert main(["labels.yaml", "--out", "out.yaml", "--model", "m", f"{option}={value}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"Invalid value for '{option}': " in line
    assert f"{float(value):g} is no" in line


@pytest.mark.slow
@pytest.mark.parametrize("answers", [0, 1])
def test_ctrl_c(place, language_model_server: LanguageModelServer, answers):
    language_model_server.say(*["no"] * answers, Reply("{}", delay_s=600.0))
    command = [sys.executable, "-m", "model.extraction", "labels.yaml", "--out", "out.yaml", "--model", "toy"]
    process = subprocess.Popen(
        [*command, "--base-url", language_model_server.url],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert language_model_server.asked.wait(300)
    while len(language_model_server.requests) <= answers:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    assert said.startswith("stopped; out.yaml was not written")
    assert said.count("\n") == 1
    assert ("the answers so far are in out.answers.jsonl" in said) == bool(answers)
    assert files(place) == ["labels.yaml", "out.answers.jsonl"][: 1 + answers]
