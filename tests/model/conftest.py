"""A small text and a small configuration that the model tests share."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from warm_processes import exit_code, start

from model.configuration.reading import Configuration
from model.network.alignment import ClassText
from model.network.building import build_quantizer
from model.sub_actions.encoder import TextEncoder

# More threads than cores that are free slow tiny products a hundredfold.
torch.set_num_threads(1)

TEXT_WIDTH = 12
SUB_ACTIONS = 5


@pytest.fixture(scope="session")
def encoder() -> TextEncoder:
    """The sentence encoder that is installed, loaded once."""
    return TextEncoder()


@pytest.fixture
def class_text() -> ClassText:
    """Three classes with 3, 2 and 3 phrases that fall into 5 sub-actions; sub-action 0 is shared by the first two."""
    generator = torch.Generator().manual_seed(7)
    embeddings = [torch.randn(n, TEXT_WIDTH, generator=generator) for n in (3, 2, 3)]
    return ClassText(embeddings, [[0, 1, 1], [0, 2], [3, 4, 3]], SUB_ACTIONS)


@pytest.fixture
def small() -> dict:
    """A configuration that trains in milliseconds."""
    return {
        "vocabulary": {},
        "codebook_size": 6,
        "num_sub_actions": SUB_ACTIONS,
        "epochs": 6,
        "threads": 1,
        "architecture": {
            "length": 64,
            "patches": 16,
            "tokens": 8,
            "width": 16,
            "heads": 2,
            "encoder_layers": 1,
            "tokenizer_layers": 1,
            "decoder_layers": 1,
            "expansion": 4,
            "levels": "none",  # most tests make recordings without
            "shape_samples": 16,
            "shape_hidden": 16,
            "code_dim": 4,
        },
        "alignment": {"width": 16, "heads": 2, "key_steps": 4},
        "training": {"batch_size": 4, "roll": 0.0},
    }


@pytest.fixture
def configuration(small: dict) -> Configuration:
    return Configuration(**small)


@pytest.fixture
def quantizer_of() -> Callable[..., nn.Module]:
    """Makes a quantizer by the name that a configuration gives it, with weights drawn from seed 0."""

    def make(name: str, codes: int, dim: int, **changes: object) -> nn.Module:
        values = {"vocabulary": {}, "codebook_size": codes, "architecture": {"code_dim": dim}, "quantizer": name}
        values["losses"] = {"commitment": changes.pop("commitment", 0.25), "entropy": changes.pop("entropy", 0.0)}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return build_quantizer(Configuration(**values | changes))

    return make


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.fixture
def replicas(tmp_path: Path) -> Callable[[str, int, dict], list[dict]]:
    """Runs a script in several processes that gloo can join, each with a task as JSON and a file for its answer."""

    def run(script: str, size: int, task: dict) -> list[dict]:
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(size)}
        files = [tmp_path / f"{size}-{rank}.json" for rank in range(size)]
        group = [
            start(script, [json.dumps(task), str(file)], {**address, "RANK": str(rank)})
            for rank, file in enumerate(files)
        ]
        assert [exit_code(process, 240.0) for process in group] == [0] * size
        return [json.loads(file.read_text()) for file in files]

    return run
