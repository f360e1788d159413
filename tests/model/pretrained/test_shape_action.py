"""Models that go home: the same outputs to the last bit, without a network, and through the hub's real client."""

from __future__ import annotations

import functools
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file

from model.checkpoint import CheckpointError
from model.configuration.reading import Configuration
from model.network.alignment import ClassText
from model.network.batch import Batch
from model.network.building import build_model
from model.pretrained.shape_action import ShapeAction

ROOT = Path(__file__).parents[3]
QUANTIZERS = ["synchronised", "straight_through", "ema", "sim_vq", "fsq", "product"]


def described(small: dict, text: ClassText, channels: int = 2, **values: object) -> ShapeAction:
    architecture = small["architecture"] | values.pop("architecture", {})
    c = Configuration(**small | values | {"architecture": architecture})
    network = build_model(c, text, channels).eval()
    metadata = {"configuration": json.loads(c.model_dump_json()), "channels": ["x", "y"], "sub_actions": list("abcde")}
    return ShapeAction(network, metadata | {"classes": ["p", "q", "r"]}, {"code_shapes": torch.rand(6, 1, 16)})


def outputs(model: ShapeAction) -> list[torch.Tensor]:
    x = torch.randn(6, 64, generator=torch.Generator().manual_seed(0))
    level = torch.rand(3, 2, 2, generator=torch.Generator().manual_seed(1)) + 0.5
    out = model.network(x, level=level)
    y = torch.tensor([0, 1, 2])
    labels = model.network.teacher.mark(Batch(x.view(3, 2, 64), y, level), *model.network.windows(out.attributes, 3))
    return [out.tokens, *out.attributes, *out.quantized, out.shapes, out.decoded, out.series, out.log_q, labels]


@pytest.mark.parametrize("channels", ["separate", "fused"])
@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_saved_and_loaded_it_is_the_same_to_the_last_bit(
    small: dict, class_text: ClassText, tmp_path: Path, quantizer: str, channels: str
) -> None:
    model = described(small, class_text, quantizer=quantizer, architecture={"channels": channels, "levels": "both"})
    model.save_pretrained(tmp_path / "first")
    loaded = ShapeAction.from_pretrained(tmp_path / "first")
    loaded.save_pretrained(tmp_path / "second")
    again = ShapeAction.from_pretrained(str(tmp_path / "second"))
    for a, b, c in zip(outputs(model), outputs(loaded), outputs(again), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)
    assert not loaded.network.training
    assert again.metadata == model.metadata
    assert torch.equal(again.code_tensors["code_shapes"], model.code_tensors["code_shapes"])
    names = ("config.json", "model.safetensors", "README.md")
    assert all((tmp_path / "first" / n).read_bytes() == (tmp_path / "second" / n).read_bytes() for n in names)
    assert {path.name for path in (tmp_path / "second").iterdir()} == set(names)


def test_a_folder_needs_no_network(
    small: dict, class_text: ClassText, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described(small, class_text).save_pretrained(tmp_path)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it asked the network"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("it asked the network"))
    assert ShapeAction.from_pretrained(tmp_path).metadata["channels"] == ["x", "y"]


def test_the_card_that_came_with_it_stays(small: dict, class_text: ClassText, tmp_path: Path) -> None:
    described(small, class_text).save_pretrained(tmp_path / "first")
    card = "---\nlibrary_name: shape-action-search\n---\n\n# Measured\n"
    (tmp_path / "first" / "README.md").write_text(card)
    ShapeAction.from_pretrained(tmp_path / "first").save_pretrained(tmp_path / "second")
    assert (tmp_path / "second" / "README.md").read_text() == card
    described(small, class_text).save_pretrained(tmp_path / "third")
    short = ModelCard.load(tmp_path / "third" / "README.md")
    assert short.data.library_name == "shape-action-search"
    assert "from_pretrained" in short.text


def test_a_checkpoint_alone_is_enough(small: dict, class_text: ClassText, tmp_path: Path) -> None:
    model = described(small, class_text)
    model.save_pretrained(tmp_path)
    (tmp_path / "config.json").unlink()
    (tmp_path / "README.md").unlink()
    stored = load_file(tmp_path / "model.safetensors")
    assert stored.keys() == {f"model.{name}" for name in model.network.state_dict()} | {"code_shapes"}
    named = {"to_tokens.encoder.project.weight", "quantizer.codes", "teacher.text.phrase_to_sub_action"}
    assert {f"model.{name}" for name in named} <= stored.keys()
    for a, b in zip(outputs(model), outputs(ShapeAction.from_pretrained(tmp_path)), strict=True):
        assert torch.equal(a, b)


def test_what_cannot_be_loaded_is_named(small: dict, class_text: ClassText, tmp_path: Path) -> None:
    model = described(small, class_text)
    model.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    stored = load_file(path)
    (tmp_path / "config.json").write_text('{"about": {"channels": []}}')
    with pytest.raises(CheckpointError, match=r"model.safetensors: lacks configuration, sub_actions; it was not"):
        ShapeAction.from_pretrained(tmp_path)
    (tmp_path / "config.json").unlink()
    wrong = {**model.metadata, "configuration": {**model.metadata["configuration"], "codebook_size": 7}}
    save_file(stored, path, metadata={"about": json.dumps(wrong)})
    with pytest.raises(CheckpointError, match="does not fit this configuration"):
        ShapeAction.from_pretrained(tmp_path)
    wrong["configuration"]["codebook_size"] = 1
    save_file(stored, path, metadata={"about": json.dumps(wrong)})
    with pytest.raises(CheckpointError, match="its configuration cannot be used: codebook_size"):
        ShapeAction.from_pretrained(tmp_path)
    path.write_bytes(b"half")
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
        ShapeAction.from_pretrained(tmp_path)


class Hub(http.server.BaseHTTPRequestHandler):
    """Serves `/me/knee/resolve/main/FILE` as the hub does."""

    def __init__(self, folder: Path, asked: list[str], *rest: object):
        self.folder, self.asked = folder, asked
        super().__init__(*rest)  # type: ignore[arg-type]

    def answer(self, with_body: bool) -> None:
        self.asked.append(self.path)
        *place, name = self.path.split("?")[0].strip("/").split("/")
        file = self.folder / name
        found = place == ["me", "knee", "resolve", "main"] and file.is_file()
        body = file.read_bytes() if found else b""
        self.send_response(200 if found else 404)
        headers = {"ETag": f'"{name}-{len(body)}"', "X-Repo-Commit": "a" * 40} if found else {}
        headers |= {} if found else {"X-Error-Code": "EntryNotFound"}
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer(True)

    def do_HEAD(self) -> None:
        self.answer(False)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    folder, asked = tmp_path / "repository", list[str]()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Hub, folder, asked))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder, asked
    server.shutdown()
    server.server_close()
    thread.join()


SCRIPT = """
import sys
from model.pretrained.shape_action import ShapeAction
model = ShapeAction.from_pretrained("me/knee", local_files_only=len(sys.argv) > 2)
model.save_pretrained(sys.argv[1])
"""


@pytest.mark.slow
def test_a_name_on_the_hub_goes_through_its_real_client(
    small: dict, class_text: ClassText, tmp_path: Path, hub: tuple[str, Path, list[str]]
) -> None:
    address, folder, asked = hub
    model = described(small, class_text)
    model.save_pretrained(folder)

    def loaded(cache: str, *offline: str) -> set[str]:
        """Load it in a process of its own, see that it is the same, and return the files that were asked for."""
        asked.clear()
        target = str(tmp_path / f"loaded{len(offline)}")
        environment = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / cache), "HF_HUB_DISABLE_XET": "1"}
        environment |= {"NO_PROXY": "127.0.0.1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", SCRIPT, target, *offline]
        done = subprocess.run(
            command, env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        for a, b in zip(outputs(model), outputs(ShapeAction.from_pretrained(target)), strict=True):
            assert torch.equal(a, b)
        return {path.rpartition("/")[2] for path in asked if "/me/knee/" in path}

    everything = {"config.json", "model.safetensors", "README.md"}
    assert loaded("cache") == everything
    assert loaded("cache", "offline") == set()
    (folder / "README.md").unlink()
    assert loaded("another") == everything, "a card is asked for, and not needed"
