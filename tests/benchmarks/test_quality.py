"""The quality benchmark: one definition for both models, the plan of runs, what it writes. Never who is better."""

from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from small_exports import CLASSES, write_data

from benchmarks.command_line import BenchmarkError
from benchmarks.quality import __main__ as quality
from benchmarks.quality import metrics, report, runs
from benchmarks.reference import ReferenceTrainer, Schedule, load_reference
from model.configuration.reading import Configuration
from model.evaluation.evaluate import CONTROL_SEED
from model.network.alignment import ClassText
from model.network.batch import Batch
from model.training.run import ShapeActionRun

ROOT = Path(__file__).parents[2]
FAKE_REFERENCE = '''
import torch
from torch import nn


class VQShape(nn.Module):
    """Takes the reference's arguments; its tokens lie side by side and choose codes in turn."""

    def __init__(self, len_input, num_token, num_code, dim_code, len_s, **others):
        super().__init__()
        self.tokens, self.codes = num_token, num_code
        self.layer = nn.Linear(len_input, len_input)
        self.codebook = nn.Module()
        self.codebook.embedding = nn.Embedding(num_code, dim_code)
        self.to_shape = nn.Linear(dim_code, len_s)

    def shape_decoder(self, z):
        s = self.to_shape(z)
        mean, std = s.mean(-1, keepdim=True), s.std(-1, keepdim=True)
        return (s - mean) / (std + 1e-8), mean, std

    def forward(self, x, mode):
        names = ("ts_loss", "vq_loss", "shape_loss", "dist_loss")
        losses = {name: (self.layer(x) - x).square().mean()[None] for name in names}
        assert self.training == (mode == "pretrain")
        if mode == "pretrain":
            return {}, losses
        index = (torch.arange(self.tokens) % self.codes).expand(len(x), -1)
        start = (torch.arange(self.tokens) / self.tokens).expand(len(x), -1)[..., None]
        shape, _, _ = self.shape_decoder(self.codebook.embedding(index))
        out = {"x_pred": self.layer(x), "s_pred": 0.5 * shape + 0.1, "code_idx": index}
        return out | {"t_pred": start, "l_pred": torch.full_like(start, 2 / self.tokens)}, losses
'''
DATA = "toy"
SMALL = {
    "data": {"npz": "toy.npz"},
    "vocabulary": {"name": "toy", "classes": CLASSES},
    "num_sub_actions": 5,
    "epochs": 1,
    "training": {"batch_size": 3},
    "architecture": {
        **{"length": 64, "patches": 16, "tokens": 8, "width": 16, "heads": 2, "shape_samples": 16, "shape_hidden": 16},
        **dict.fromkeys(("encoder_layers", "tokenizer_layers", "decoder_layers"), 1),
        "code_dim": 4,
    },
}


@pytest.fixture
def reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "clone" / "vqshape"
    package.mkdir(parents=True)
    (package / "model.py").write_text(FAKE_REFERENCE)
    for name in ("vqshape", "vqshape.model"):
        monkeypatch.setitem(sys.modules, name, None)  # so that what a test imports is gone after it
        del sys.modules[name]
    return package.parent


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    write_data(tmp_path / "toy.npz", 2)
    file = tmp_path / "small.yaml"
    file.write_text(yaml.safe_dump(SMALL))
    return file


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Does the runs here, one after the other: a fresh process for each takes seconds to import torch."""

    def work_through(plans: Any, jobs: int, folder: Path) -> Iterator[Any]:
        for number, plan in enumerate(plans):
            task = next(plan)
            while task is not None:
                place = folder / f"run-{number}-{task.trainer}-{task.rate}"
                place.mkdir()
                task.write(place / "task.json")
                runs.main(place / "task.json")
                record = json.loads((place / "result.json").read_text())
                yield runs.Finished(task, record, place)
                task = runs.advance(plan, record)

    monkeypatch.setattr(quality, "work_through", work_through)


class ByHand(torch.nn.Module):
    """A model whose two windows, side by side, draw what it is told to draw."""

    def __init__(self, drawn: torch.Tensor, rebuilt: torch.Tensor, index: torch.Tensor, shapes: torch.Tensor):
        super().__init__()
        self.outputs = {"s_pred": drawn, "x_pred": rebuilt, "code_idx": index}
        half = torch.full((*index.shape, 1), 0.5)
        self.outputs |= {"t_pred": half * torch.tensor([0.0, 1.0])[None, :, None], "l_pred": half}
        self.codebook = torch.nn.Module()
        self.codebook.embedding = torch.nn.Embedding.from_pretrained(shapes)

    def shape_decoder(self, codes: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return codes, None, None

    def forward(self, x: torch.Tensor, mode: str) -> tuple[dict[str, torch.Tensor], dict]:
        assert mode == "evaluate"
        assert not self.training
        return self.outputs, {}


def two_shapes(series: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Series `(series, 129)` of two pieces each, which of two shapes each piece is, and the shapes `(2, 65)`.

    Both shapes begin and end at 0, so that two pieces meet in the sample that they share.
    """
    u = torch.linspace(0, 1, 65)
    shapes = torch.stack([torch.sin(2 * torch.pi * u), torch.sin(4 * torch.pi * u)])
    index = torch.tensor([[0, 1], [1, 1], [1, 0], [0, 0]])[torch.arange(series) % 4]
    scale = 1 + torch.arange(series)[:, None, None] / 4
    pieces = shapes[index] * scale
    return torch.cat([pieces[:, 0], pieces[:, 1, 1:]], dim=-1), index, shapes


def test_shapes_that_draw_the_series_exactly() -> None:
    x, index, shapes = two_shapes(8)
    pieces = torch.stack([x[:, :65], x[:, 64:]], dim=1)
    model = ByHand(pieces, torch.zeros_like(x), index, shapes)
    measured = metrics.measure(metrics.drawn_by_reference(model.train(), x.view(4, 2, 129)))
    assert model.training  # as it came
    assert tuple(measured) == metrics.SHARED
    exact = {"stitch_fvu": 0, "shape_skill": 1, "shape_correlation": 1, "scale_ratio": 1, "covered_fraction": 1}
    exact |= {"series_fvu": 1, "window_samples": 64.5, "window_samples_spread": 0, "window_start_spread": 0}
    exact |= {"code_perplexity": 2, "codes_used": 2, "distinct_shapes": 2}
    assert {name: measured[name] for name in exact} == pytest.approx(exact, abs=1e-4)


def test_necessity_is_what_shuffled_codes_cost() -> None:
    x, index, shapes = two_shapes(8)
    pieces = torch.stack([x[:, :65], x[:, 64:]], dim=1)
    measured = metrics.measure(metrics.drawn_by_reference(ByHand(pieces, x, index, shapes), x.view(4, 2, 129)))
    order = torch.randperm(16, generator=torch.Generator().manual_seed(CONTROL_SEED))
    wrong = index.flatten()[order].view_as(index)
    assert (wrong != index).any()
    unit = shapes / shapes.square().mean(-1, keepdim=True).sqrt()
    ratios = []
    for channel in range(2):
        error = spread = 0.0
        for s in range(channel, 8, 2):
            left, right = (unit[wrong[s, n]] * pieces[s, n].square().mean().sqrt() for n in range(2))
            drawn = torch.cat([left[:-1], (left[-1:] + right[:1]) / 2, right[1:]])
            error += float((x[s] - drawn).square().sum())
            spread += float((x[s] - x[s].mean()).square().sum())
        ratios.append(error / spread)
    assert measured["code_necessity"] == pytest.approx(sum(ratios) / 2, abs=1e-4)
    assert measured["series_fvu"] == 0


def test_a_token_draws_what_the_reference_says_it_draws(reference: Path) -> None:
    vqshape = load_reference(reference)
    torch.manual_seed(0)
    model = vqshape(len_input=64, num_token=8, num_code=6, dim_code=4, len_s=16)
    x = torch.randn(3, 2, 64)
    drawn = metrics.drawn_by_reference(model, x)
    said = model.eval()(x.flatten(0, 1), mode="evaluate")[0]["s_pred"]
    torch.testing.assert_close(drawn.pieces(drawn.codes), said, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(drawn.length[0], torch.tensor([0.25] * 7 + [0.125]))  # the last ends with the series
    assert drawn.counts.tolist() == [12, 12, 6, 6, 6, 6]


@pytest.fixture
def trained() -> tuple[ShapeActionRun, Batch]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(12, 2, 64, generator=generator).cumsum(-1)
    level = torch.stack([x.mean(-1), x.std(-1)], dim=-1)
    split = Batch((x - level[..., :1]) / level[..., 1:], torch.arange(12) % 2, level)
    text = ClassText([torch.randn(3, 12, generator=generator) for _ in range(2)], [[0, 1, 1], [2, 3, 0]], 4)
    values = {**SMALL, "codebook_size": 6, "num_sub_actions": 4, "epochs": 3, "threads": 1}
    run = ShapeActionRun(Configuration.model_validate(values), split, split, text)
    for _ in range(3):
        run.train_epoch()
    return run, split


def test_ours_is_measured_as_the_model_measures_itself(trained: tuple[ShapeActionRun, Batch]) -> None:
    run, split = trained
    itself = run.evaluate(split)
    shared = metrics.measure(metrics.drawn_by_ours(run, split))
    assert (itself | shared).keys() == itself.keys()
    assert shared == pytest.approx({name: itself[name] for name in shared}, abs=2e-3)


def test_the_reference_gets_as_many_steps_and_then_as_many_seconds() -> None:
    ours = runs.Task("toy", "study", {"codebook_size": 4, "seed": 0})
    plan = runs.cell(ours, Path("clone"), [1e-4, 1e-3], longer=8)
    assert next(plan) is ours
    baselines = [plan.send({"steps": 100, "seconds": 30.0}), plan.send({"steps": None, "seconds": 0.0})]
    assert [(t.trainer, t.reference) for t in baselines] == [("straight lines", None), ("k-means", None)]
    tasks = [plan.send({"steps": None, "seconds": 0.1})]
    for seconds in (50.0, 70.0, 30.0, 30.0, 400.0):  # 0.6 s a step in the mean: 50 steps in 30 s
        tasks.append(plan.send({"steps": 100, "seconds": seconds}))
    assert runs.advance(plan, {"steps": 50, "seconds": 30.0}) is None
    assert [(t.trainer.split()[-1], t.steps, t.rate) for t in tasks] == [
        ("steps", 100, 1e-4),
        ("steps", 100, 1e-3),
        ("seconds", 50, 1e-4),
        ("seconds", 50, 1e-3),
        ("longer", 800, 1e-4),
        ("longer", 800, 1e-3),
    ]
    assert list(runs.cell(ours, None, [1e-4])) == [ours, *baselines]


def test_the_learning_rate_of_the_reference_rises_and_falls_within_its_steps() -> None:

    class Learner(torch.nn.Linear):
        def forward(self, x: torch.Tensor, mode: str = "") -> Any:
            return {}, {name: super(Learner, self).forward(x) for name, _ in ReferenceTrainer.LOSS_WEIGHTS}

    batches = iter([torch.ones(1, 3)] * 40)
    trainer = ReferenceTrainer(Learner(3, 1), batches, Schedule(1e-3, warmup_steps=4, steps=40))
    rates = []
    for _ in range(40):
        rates.append(trainer.optimizer.param_groups[0]["lr"])
        trainer.step()
    assert max(rates) == pytest.approx(1e-3)
    assert rates.index(max(rates)) == 4
    assert rates[0] == pytest.approx(1e-7)
    assert rates[-1] == pytest.approx(1e-5 + 0.5 * (1e-3 - 1e-5) * (1 + math.cos(math.pi * 35 / 36)))
    assert torch.isfinite(trainer.loss)
    assert trainer.loss == pytest.approx(float(trainer.rebuilding) * 3.8 / 2)


def test_each_pass_goes_through_all_recordings() -> None:
    x = torch.arange(5.0)[:, None, None].expand(5, 2, 3)
    batches = runs.shuffled_batches(x, 2, seed=0)
    passes = [[next(batches) for _ in range(3)] for _ in range(2)]
    assert [len(b) for b in passes[0]] == [4, 4, 2]
    for one in passes:
        assert sorted(torch.cat(one)[:, 0].tolist()) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert not torch.equal(torch.cat(passes[0]), torch.cat(passes[1]))


def record(trainer: str, rate: float, seed: int, loss: float, error: float) -> dict[str, Any]:
    return {
        **{"data": "toy", "codes": 4, "seed": seed, "trainer": trainer, "rate": rate, "loss": 9 - loss},
        **{
            "steps": 10,
            "seconds": 2.0,
            "epochs": 1,
            "parameters": 7,
            "rebuilding_loss": loss,
            "metrics": {"stitch_fvu": error},
        },
    }


def test_the_rate_that_rebuilds_better_in_training_counts_whatever_it_gives() -> None:
    name = "reference, equal steps"
    runs = [record(name, 1e-4, 0, 3.0, 0.1), record(name, 1e-4, 1, 3.0, 0.1)]
    runs += [record(name, 1e-3, 0, 2.0, 0.8), record(name, 1e-3, 1, 2.5, 0.6)]
    runs += [record(name, 1e-2, 0, 1.0, 0.0), record(name, 1e-2, 1, math.nan, math.nan)]
    (row,) = report.summary(runs)
    assert row["rate"] == 1e-3
    assert row["metrics"]["stitch_fvu"] == pytest.approx({"mean": 0.7, "deviation": 0.1 * math.sqrt(2)})
    assert report.plain({"a": [math.nan, 1.0]}) == {"a": [None, 1.0]}


@pytest.mark.slow
def test_everything_is_written_and_shown(
    reference: Path, configured: Path, tmp_path: Path, in_this_process: None, capsys: Any
) -> None:
    file, pictures = tmp_path / "quality.json", tmp_path / "pictures"
    arguments = ["--config", configured, "--codes", 4, 6, "--seeds", 2, "--reference", reference]
    arguments += ["--json", file, "--out", pictures, "--longer", 2]
    assert quality.main([str(a) for a in arguments]) == 0
    printed = capsys.readouterr()
    assert "action_kl_ratio" in printed.out
    assert "36 of 36" in printed.err
    result = json.loads(file.read_text())
    assert result["complete"]
    assert len(result["runs"]) == 2 * 2 * 9
    assert [(r["codes"], r["trainer"]) for r in result["rows"]] == [
        (codes, trainer) for codes in (4, 6) for trainer in runs.TRAINERS
    ]
    ours, lines, kmeans, steps, seconds, longer = result["rows"][:6]
    assert "steps" not in lines
    assert lines["metrics"]["stitch_fvu"]["mean"] == pytest.approx(kmeans["metrics"]["line_fvu"]["mean"], rel=1e-4)
    assert kmeans["metrics"].keys() == set(metrics.SHARED) - {"series_fvu"}
    assert ours["steps"]["mean"] == steps["steps"]["mean"] == 4
    assert seconds["seeds"] == [0, 1]
    assert longer["steps"]["mean"] == 8
    assert "deviation" in ours["metrics"]["action_kl_ratio"]
    assert steps["metrics"].keys() == set(metrics.SHARED)
    names = {f"{DATA}-{codes}-{what}.png" for codes in (4, 6) for what in ("series", "shapes")}
    assert {path.name for path in pictures.iterdir()} == names
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.slow
def test_ours_alone(configured: Path, tmp_path: Path, in_this_process: None) -> None:
    file = tmp_path / "quality.json"
    arguments = ["--config", configured, "--codes", 4, "--seeds", 1, "--epochs", 2, "--json", file, "--out", tmp_path]
    assert quality.main([str(a) for a in arguments]) == 0
    ours, *others = json.loads(file.read_text())["rows"]
    assert [row["trainer"] for row in others] == ["straight lines", "k-means"]
    assert ours["trainer"] == "ours"
    assert ours["steps"]["mean"] == 2 * 4
    assert (tmp_path / f"{DATA}-4-shapes.png").stat().st_size > 0


@pytest.mark.slow
def test_what_is_done_survives_an_interruption(
    reference: Path,
    configured: Path,
    tmp_path: Path,
    in_this_process: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = quality.work_through

    def interrupted(*arguments: Any) -> Iterator[Any]:
        runs = whole(*arguments)
        yield next(runs)
        yield next(runs)
        raise KeyboardInterrupt

    monkeypatch.setattr(quality, "work_through", interrupted)
    file = tmp_path / "quality.json"
    arguments = ["--config", configured, "--codes", 4, "--reference", reference, "--json", file]
    assert quality.main([str(a) for a in arguments]) == 130
    result = json.loads(file.read_text())
    assert not result["complete"]
    assert [run["trainer"] for run in result["runs"]] == ["ours", "straight lines"]
    assert "stitch_fvu" in capsys.readouterr().out


def test_training_that_breaks_down_is_recorded(reference: Path, tmp_path: Path) -> None:
    source = (reference / "vqshape" / "model.py").read_text()
    (reference / "vqshape" / "model.py").write_text(source.replace("(self.layer(x) - x)", "(self.layer(x) / 0)"))
    study = tmp_path / "study.pickle"
    train = SimpleNamespace(x=np.ones((3, 1, 64), dtype=np.float32))
    study.write_bytes(pickle.dumps(FakeStudy(train)))
    values = SMALL | {"codebook_size": 4, "seed": 0, "training": {"batch_size": 2, "learning_rate": 0.1}}
    task = runs.Task("toy", str(study), values, 1, "reference, equal steps", str(reference), 2, 1e-3)
    measured, drawn = runs.perform(task)
    assert drawn is None
    assert math.isnan(measured["metrics"]["stitch_fvu"])
    assert measured["rate"] == 1e-3
    assert measured["steps"] == 2


class FakeStudy:
    """A data set without anything else."""

    def __init__(self, train: Any):
        self.dataset = SimpleNamespace(train=train)

    def test_split(self, device: str) -> Batch:
        return Batch(torch.from_numpy(self.dataset.train.x), torch.zeros(3, dtype=torch.long))


def test_a_failing_run_is_one_line_and_ends_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = runs.Task("toy", "s", {"codebook_size": 4, "seed": 0})
    begun = []

    def begin(task: Any, plan: Any, folder: Path) -> Any:
        folder.mkdir()
        (folder / "stderr.txt").write_text("Traceback\nValueError: no codes\n")
        command = "import time; time.sleep(60)" if begun else "raise SystemExit(1)"
        begun.append(subprocess.Popen([sys.executable, "-c", command]))
        return runs.Running(task, plan, begun[-1], folder)

    monkeypatch.setattr(runs, "_begin", begin)
    plans = [runs.cell(task, None, []) for _ in range(3)]
    with pytest.raises(BenchmarkError, match="ours: ended with 1: ValueError: no codes"):
        list(runs.work_through(plans, 2, tmp_path))
    assert [process.poll() is not None for process in begun] == [True, True]


@pytest.mark.slow
def test_the_command_runs_in_processes_of_its_own(configured: Path, tmp_path: Path) -> None:
    file = tmp_path / "quality.json"
    arguments = ["--config", configured, "--codes", 4, 6, "--seeds", 1, "--jobs", 2, "--json", file]
    assert quality.main([str(a) for a in arguments]) == 0
    result = json.loads(file.read_text())
    assert result["complete"]
    assert [run["codes"] for run in result["runs"]] == [4] * 3 + [6] * 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--reference", "nowhere"], "no such folder"),
        (["--data", "Gait"], "--vocabulary is needed for Gait"),
        (["--train-ts", "a.ts"], "belong together"),
        (["--train-ts", "a.ts", "--test-ts", "b.ts", "--name", "Epilepsy"], "no such file"),
        (["--name", "Epilepsy"], "--name goes with"),
        (["--data", "BasicMotions", "--data", "BasicMotions"], "more than once"),
        (["--config", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["--codes", "1"], "codebook_size"),
        (["--seeds", "0"], "x>=1"),
        (["--reference-rates", "fast"], "is not a valid float range"),
        (["--json", "nowhere/quality.json"], "there is no folder nowhere"),
        (["--out", "README.md"], "is a file"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(ROOT)
    assert quality.main(arguments) == 2
    written = capsys.readouterr()
    assert complaint in written.err
    assert written.err.count("\n") == 1
    assert not written.out
