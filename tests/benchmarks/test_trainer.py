"""The trainer benchmark: what it writes, that its counts are right, and that bad input is one line. Never its speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.command_line import BenchmarkError
from benchmarks.reference import load_reference
from benchmarks.trainer import __main__ as trainer
from benchmarks.trainer import arithmetic, memory
from benchmarks.trainer.steps import Sizes

ROOT = Path(__file__).parents[2]
FAKE_REFERENCE = '''
import torch
from torch import nn


class VQShape(nn.Module):
    """Takes the reference's arguments and gives its losses; learns one linear layer."""

    def __init__(self, len_input, dim_embedding, num_token, num_code, dim_code, len_s, **others):
        super().__init__()
        self.layer = nn.Linear(len_input, len_input)

    def forward(self, x, mode):
        assert mode == "pretrain" and self.training
        names = ("ts_loss", "vq_loss", "shape_loss", "dist_loss")
        return {}, {name: (self.layer(x) - x).square().mean()[None] for name in names}
'''


@pytest.fixture
def reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "clone" / "vqshape"
    package.mkdir(parents=True)
    (package / "model.py").write_text(FAKE_REFERENCE)
    for name in ("vqshape", "vqshape.model"):
        monkeypatch.setitem(sys.modules, name, None)  # so that what a test imports is gone after it
        del sys.modules[name]
    return package.parent


def benchmark(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.trainer", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.slow
def test_json_holds_both_trainers_their_ratios_and_the_machine(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(arithmetic.MATRIX_SIZE, "cpu", 64)
    monkeypatch.setattr(trainer, "peak_bytes", lambda kind, *_: {"reference": 400}.get(kind, 100))
    file = tmp_path / "speed.json"
    sizes = ["--widths", "16", "--batches", "2", "4", "--codes", "4", "--rounds", "2", "--threads", "1"]
    assert trainer.main(["--reference", str(reference), "--json", str(file), *sizes]) == 0
    written = capsys.readouterr().out
    assert "0.25×" in written
    result = json.loads(file.read_text())
    assert result["threads"] == 1
    assert result["versions"]["torch"] == torch.__version__
    assert result["machine"]["cores"] >= 1
    assert [(row["width"], row["layers"], row["series"], row["codes"]) for row in result["rows"]] == [
        (16, 2, 2, 4),
        (16, 2, 4, 4),
    ]
    for row in result["rows"]:
        for name in ("quantised", "warm_up", "reference"):
            figures = row[name]
            assert figures["series_per_s"] * figures["step_s"] == pytest.approx(row["series"])
            assert len(figures["all_step_s"]) == 2
            assert figures["matrix_product_share"] > 0
        # One linear layer, its product with the input: forward and the gradient of the weight, for each of four losses.
        assert row["reference"]["flops"] == 4 * 2 * (2 * row["series"] * 512 * 512)
        assert row["reference"]["parameters"] == 512 * 513
        assert row["ratio"]["memory"] == 0.25
        assert set(row["ratio"]) == {"speed_quantised", "speed_warm_up", "speed_run", "memory"}
    small, large = (row["quantised"] for row in result["rows"])
    assert large["flops"] > 1.5 * small["flops"]
    assert large["parameters"] == small["parameters"]


@pytest.mark.slow
def test_command_measures_ours_alone(tmp_path: Path) -> None:
    file = tmp_path / "speed.json"
    sizes = ["--widths", 16, "--batches", 2, "--codes", 4, "--rounds", 1, "--threads", 1]
    done = benchmark("--no-memory", *sizes, "--json", file)
    assert done.returncode == 0, done.stderr
    assert "series" in done.stdout
    (row,) = json.loads(file.read_text())["rows"]
    assert row["reference"] is None
    assert row["ratio"] is None
    assert "peak_bytes" not in row["quantised"]


@pytest.mark.parametrize("fused", [True, False])
def test_attention_counts_alike_fused_or_written_out(fused: bool) -> None:
    q, k, v = (torch.randn(2, 4, n, 8, requires_grad=True) for n in (16, 24, 24))

    def attend() -> None:
        if fused:
            out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        else:
            out = (q @ k.transpose(-1, -2)).softmax(-1) @ v
        out.sum().backward()

    product = 2 * 2 * 4 * 16 * 24 * 8
    # Two products forward, four backward; the fused one computes the weights a second time.
    assert arithmetic.count_flops(attend) == (7 if fused else 6) * product


def test_ratio_of_a_whole_run_weighs_both_phases() -> None:
    row = {
        "quantised": {"all_step_s": [1.0, 1.0, 1.0], "peak_bytes": 10},
        "warm_up": {"all_step_s": [3.0, 3.0, 3.0], "peak_bytes": 20},
        "reference": {"all_step_s": [6.0, 6.0, 60.0], "peak_bytes": 80},
    }
    expected = {"speed_quantised": 6.0, "speed_warm_up": 2.0, "speed_run": 4.0, "memory": 0.25}
    assert trainer.ratios(row, unquantised_fraction=0.25) == pytest.approx(expected)


def test_memory_is_what_the_steps_add() -> None:
    held: list[torch.Tensor] = []
    grown = memory._resident(lambda: held.append(torch.ones(16 * 2**20 // 4)))
    assert 28 * 2**20 < grown < 64 * 2**20  # two steps of 16 MiB each


@pytest.mark.slow
def test_memory_is_measured_in_a_process_of_its_own(reference: Path) -> None:
    sizes = Sizes(width=16, series=2, codes=4)
    # Gradient and both moments of a 512 × 512 layer, 1 MiB each.
    assert 2 * 2**20 < memory.peak_bytes("reference", sizes, "cpu", 1, reference) < 64 * 2**20


@pytest.mark.slow
def test_memory_that_cannot_be_measured_says_why(tmp_path: Path) -> None:
    sizes = Sizes(width=16, series=2, codes=4)
    with pytest.raises(BenchmarkError, match="no such folder"):
        memory.peak_bytes("reference", sizes, "cpu", 1, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--reference", "nowhere"], "no such folder"),
        (["--reference", "docs"], "has no vqshape/model.py"),
        (["--rounds", "0"], "x>=1"),
        (["--widths", "30"], "not a multiple of heads"),
        (["--json", "nowhere/speed.json"], "there is no folder nowhere"),
        (["--device", "abacus"], "is not one of"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert trainer.main(["--quick", *arguments]) == 2
    written = capsys.readouterr()
    assert complaint in written.err
    assert written.err.count("\n") == 1
    assert not written.out


@pytest.mark.parametrize(
    ("source", "complaint"), [("import not_installed_here", "pip install not_installed_here"), ("", "no class VQShape")]
)
def test_reference_that_cannot_be_imported(source: str, complaint: str, reference: Path) -> None:
    (reference / "vqshape" / "model.py").write_text(source)
    with pytest.raises(BenchmarkError, match=complaint):
        load_reference(reference)


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a GPU where there is none")
def test_a_gpu_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert trainer.main(["--device", "cuda"]) == 2
    assert "--device cpu" in capsys.readouterr().err


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_runs_on_a_gpu(reference: Path, tmp_path: Path) -> None:
    file = tmp_path / "speed.json"
    done = benchmark("--quick", "--device", "cuda", "--reference", reference, "--json", file)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(file.read_text())["rows"]
    assert row["quantised"]["peak_bytes"] > 0


@pytest.mark.slow
def test_benchmark_needs_neither_ray_nor_aeon() -> None:
    code = (
        "import sys; import benchmarks.trainer.__main__; "
        "sys.exit(any(name in sys.modules for name in ('ray', 'aeon', 'einops', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
