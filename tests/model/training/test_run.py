from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from model.checkpoint import CheckpointError, load_model, load_training
from model.configuration.reading import Configuration
from model.evaluation.meaning import load_code_meaning
from model.network.alignment import ClassText
from model.network.batch import Batch
from model.training.run import ShapeActionRun
from model.training.step import StepOutcome

QUICKLY = {
    "epochs": 50,
    "training": {"batch_size": 2, "learning_rate": 4e-3, "roll": 0.0},
}  # half the time of 150 as usual


def recordings(n: int, seed: int = 0, device: str = "cpu") -> Batch:
    """Sines whose frequency says the class, in two channels."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 3
    u = torch.linspace(0, 1, 64)
    phase = torch.rand(n, 2, 1, generator=generator) * 6.28
    x = torch.sin(6.28 * (2.0 * y[:, None, None] + 1.5) * u + phase)
    x = x + 0.05 * torch.randn(x.shape, generator=generator)
    x = (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True)
    return Batch(x.to(device), y.to(device))


def run_of(configuration: Configuration, text: ClassText, device: str = "cpu") -> ShapeActionRun:
    return ShapeActionRun(
        configuration, recordings(12, device=device), recordings(6, 1, device), text, {"classes": ["a", "b", "c"]}
    )


@pytest.mark.slow
@pytest.mark.parametrize("method", ["action_head", "action_decoder"])
def test_training_learns_shapes_and_alignment(small: dict, class_text: ClassText, method: str) -> None:
    run = run_of(Configuration(**small | QUICKLY | {"method": method}), class_text)
    before = run.evaluate()
    for _ in range(50):
        losses = run.train_epoch()
    after = run.evaluate()
    assert losses["loss"] == losses["loss"]
    assert after["series_fvu"] < 0.6 < before["series_fvu"]
    assert after["stitch_fvu"] < 0.8
    assert after["shape_correlation"] > before["shape_correlation"] + 0.2
    assert after["text_accuracy"] == 1.0
    assert after["contrastive_unfused"] < 0.8 * after["contrastive_chance"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run_and_another_seed_another(small: dict, class_text: ClassText) -> None:
    def losses(seed: int) -> list[dict[str, float]]:
        run = run_of(Configuration(**small | {"seed": seed}), class_text)
        return [run.train_epoch() for _ in range(4)] + [run.evaluate()]

    assert losses(0) == losses(0)
    assert losses(0) != losses(1)


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 4])
def test_a_restored_run_goes_on_as_if_it_had_never_stopped(
    small: dict, class_text: ClassText, tmp_path: Path, at: int
) -> None:
    configuration = Configuration(**small | {"training": {"batch_size": 4, "mask_fraction": 0.2}})
    whole = run_of(configuration, class_text)
    for _ in range(at):
        whole.train_epoch()
    whole.save(tmp_path)
    expected = [whole.train_epoch() for _ in range(6 - at)] + [whole.evaluate()]
    again = run_of(configuration, class_text)
    again.restore(tmp_path)
    assert again.epoch == at
    assert [again.train_epoch() for _ in range(6 - at)] + [again.evaluate()] == expected


LINE = [{"action_weight": 0.5, "epochs": 4}, {"action_weight": 0.3, "epochs": 2}, {"action_weight": 0.8, "epochs": 2}]


def in_stages(small: dict, stages: list[dict]) -> Configuration:
    values = {key: value for key, value in small.items() if key != "epochs"}
    return Configuration(**values | {"training": {"batch_size": 4, "mask_fraction": 0.2}, "stages": stages})


@pytest.mark.parametrize("quantizer", ["synchronised", "ema", "product"])
def test_a_line_is_its_stages_one_after_another_bit_for_bit(
    small: dict, class_text: ClassText, tmp_path: Path, quantizer: str
) -> None:
    small |= {"quantizer": quantizer}
    whole, measured = run_of(in_stages(small, LINE), class_text), []
    for _ in range(8):
        whole.train_epoch()
        measured.append(whole.evaluate())
    first = Configuration(
        **small | {"training": {"batch_size": 4, "mask_fraction": 0.2}, "action_weight": 0.5, "epochs": 4}
    )
    for configuration, epochs in (
        (first, range(4)),
        (in_stages(small, LINE[:2]), (4, 5)),
        (whole.configuration, (6, 7)),
    ):
        part = run_of(configuration, class_text)
        if epochs[0]:
            part.restore(tmp_path)
            assert part.evaluate() == measured[epochs[0] - 1], "restored, it measures what was measured"
        for epoch in epochs:
            part.train_epoch()
            assert part.evaluate() == measured[epoch]
        part.save(tmp_path)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(part.model.state_dict()[name], value), name


def test_a_later_stage_has_its_weight_and_a_schedule_of_its_own(
    small: dict, class_text: ClassText, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, seen = run_of(in_stages(small, LINE), class_text), []
    step = run._step

    def watched(batch: Batch, action_weight: float) -> StepOutcome:
        seen.append((action_weight, run.optimizer.param_groups[0]["lr"] / run.configuration.training.learning_rate))
        return step(batch, action_weight)

    monkeypatch.setattr(run, "_step", watched)
    for _ in range(8):
        run.train_epoch()
        assert run.quantizes == (run.epoch >= 1), "codes come into use after 0.3 of the first stage's 4 epochs"
    weights, rates = zip(*seen, strict=True)
    assert weights == (0.5,) * 12 + (0.3,) * 6 + (0.8,) * 6
    assert rates[0] == 1.0
    assert rates[12] == rates[18] == 0.5
    for begin, end in ((0, 12), (12, 18), (18, 24)):
        assert list(rates[begin:end]) == sorted(rates[begin:end], reverse=True)
        assert rates[end - 1] < 0.2


@pytest.mark.parametrize("layout", [{"patches": 16, "patch_samples": 4}, {"patches": None, "patch_samples": 4}])
def test_the_same_layout_said_otherwise_is_the_same_run(small: dict, class_text: ClassText, layout: dict) -> None:
    runs = [
        run_of(Configuration(**small | {"architecture": small["architecture"] | changed}), class_text)
        for changed in ({}, layout)
    ]
    first, second = ([run.train_epoch() for _ in range(3)] + [run.evaluate()] for run in runs)
    assert first == second


@pytest.mark.parametrize("channels", ["separate", "fused"])
@pytest.mark.parametrize("layout", [{"patch_samples": 5, "tokens": 7}, {"patch_samples": 7, "tokens": 10}])
def test_only_true_samples_are_rebuilt_and_measured(
    small: dict, class_text: ClassText, channels: str, layout: dict
) -> None:
    """64 samples in 13 patches of 5 or 10 of 7, all with padding, and in tokens that do not divide them."""
    architecture = small["architecture"] | {"patches": None, "channels": channels} | layout
    run = run_of(Configuration(**small | {"architecture": architecture}), class_text)
    losses = run.train_epoch()
    x = run.validation.x
    run.model.eval()
    output = run.model(x.flatten(0, 1))
    assert output.series.shape == (12, 64)
    measured = run.evaluate()
    assert all(value == value for value in (losses | measured).values())
    error = ((x - output.series.view_as(x)) ** 2).sum((0, 2)) / (x - x.mean(-1, keepdim=True)).square().sum((0, 2))
    assert measured["series_fvu"] == pytest.approx(float(error.mean().detach()), rel=1e-5)


@pytest.mark.parametrize(("batch_size", "sizes"), [(5, [4, 4, 4]), (11, [6, 6]), (7, [6, 6]), (12, [12]), (8, [6, 6])])
def test_the_steps_of_an_epoch_are_alike(
    small: dict, class_text: ClassText, monkeypatch: pytest.MonkeyPatch, batch_size: int, sizes: list[int]
) -> None:
    run = run_of(Configuration(**small | {"training": {"batch_size": batch_size}}), class_text)
    taken: list[int] = []
    step = run._step

    def counted(batch: Batch, action_weight: float) -> StepOutcome:
        taken.append(len(batch.x))
        return step(batch, action_weight)

    monkeypatch.setattr(run, "_step", counted)
    run.train_epoch()
    assert taken == sizes
    assert len(taken) == run.steps_per_epoch
    # Sizes differ by at most one.
    run.train = run.train.take(slice(0, 10))
    taken.clear()
    run.train_epoch()
    assert sum(taken) == 10
    assert max(taken) - min(taken) <= 1
    assert max(taken) <= batch_size


def test_windows_are_held_at_first_and_then_learn_to_move(small: dict, class_text: ClassText) -> None:
    run = run_of(Configuration(**small | {"windows": {"held_fraction": 0.5}}), class_text)
    moves = []
    for _ in range(6):
        before = [p.detach().clone() for p in run.model.attributes.to_window.parameters()]
        run.train_epoch()
        after = run.model.attributes.to_window.parameters()
        moves.append(any(not torch.equal(a, b) for a, b in zip(before, after, strict=True)))
    assert moves == [False] * 3 + [True] * 3


def test_codes_are_used_after_the_warm_up_and_start_from_the_data(configuration: Configuration, class_text: ClassText):
    run = run_of(configuration, class_text)
    first = run.model.quantizer.codes.detach().clone()
    assert run.train_epoch()["loss_quantization"] == 0.0
    torch.testing.assert_close(run.model.quantizer.codes.detach(), first)
    assert run.train_epoch()["loss_quantization"] != 0.0
    assert run.codes_started


def test_the_exported_model_gives_the_same_metrics(
    configuration: Configuration, class_text: ClassText, tmp_path: Path
) -> None:
    run = run_of(configuration, class_text)
    for _ in range(3):
        run.train_epoch()
    run.export(tmp_path)
    fresh = run_of(configuration, class_text)
    tensors, about = load_model(tmp_path / "model.safetensors", fresh.model)
    assert fresh.evaluate() == run.evaluate()
    assert about == {"classes": ["a", "b", "c"], "sub_actions": ["0", "1", "2", "3", "4"]}
    assert tensors["code_meanings"].shape == (6, 5)
    torch.testing.assert_close(tensors["code_meanings"].sum(-1), torch.ones(6))


@pytest.mark.parametrize("method", ["action_head", "action_decoder"])
def test_the_export_says_what_codes_mean_and_how_classes_are_confused(
    small: dict, class_text: ClassText, tmp_path: Path, method: str
) -> None:
    run = run_of(Configuration(**small | {"method": method}), class_text)
    for _ in range(3):
        run.train_epoch()
    run.export(tmp_path)
    meaning = load_code_meaning(tmp_path / "model.safetensors")
    assert meaning.shapes.shape == (6, 1, 16)
    assert meaning.classes == ("a", "b", "c")
    assert int(meaning.tokens.sum()) == 12 * 2 * 8
    assert np.allclose(meaning.distribution, meaning.accumulated, atol=1e-6) == (method == "action_head")
    codes = (tmp_path / "codes.csv").read_text().splitlines()
    assert len(codes) == 1 + 6
    table = pd.read_csv(tmp_path / "confusion.csv")
    measured = run.evaluate()
    for name, part in table.groupby("classifier"):
        assert part.recordings.sum() == 6
        hits = part[part.true == part.predicted].recordings.sum()
        assert hits / 6 == pytest.approx(measured[f"{name}_accuracy"])


def test_a_checkpoint_that_does_not_fit_or_is_damaged_is_named(
    small: dict, class_text: ClassText, tmp_path: Path
) -> None:
    run = run_of(Configuration(**small), class_text)
    run.export(tmp_path)
    path = tmp_path / "model.safetensors"
    other = run_of(Configuration(**small | {"codebook_size": 7}), class_text)
    with pytest.raises(CheckpointError, match="does not fit this configuration"):
        load_model(path, other.model)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
        load_model(path, run.model)
    (tmp_path / "training.pt").write_bytes(b"broken")
    with pytest.raises(CheckpointError, match="cannot be continued from"):
        load_training(tmp_path)


def test_what_is_measured_does_not_touch_the_model(configuration: Configuration, class_text: ClassText) -> None:
    run = run_of(configuration, class_text)
    run.train_epoch()
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    run.evaluate()
    assert all(torch.equal(before[name], value) for name, value in run.model.state_dict().items())
    assert run.model.training


@pytest.mark.parametrize("quantizer", ["synchronised", "straight_through", "ema", "sim_vq", "fsq", "product"])
def test_a_code_that_is_moved_forgets_the_moments_of_the_one_that_died(
    small: dict, class_text: ClassText, quantizer: str
) -> None:
    values = small | {"quantizer": quantizer, "training": {"batch_size": 4, "unquantized_fraction": 0.0}}
    values["architecture"] = small["architecture"] | {"code_dim": 6}  # as many as codes: a map is no book
    run = run_of(Configuration(**values), class_text)
    run.train_epoch()
    for state in run.optimizer.state.values():
        for moment in ("exp_avg", "exp_avg_sq"):
            state[moment].fill_(1.0)
    # Of the three shapes with two actions each the last shape and the last action are dead.
    usage = [9, 0, 9, 0, 0, 0] if quantizer == "product" else [9, 0, 9, 9, 0, 9]
    run._revive(torch.tensor(usage), run.model.quantizer.codes.detach() + 1.0)
    parameters = list(run.model.quantizer.parameters())
    left = [run.optimizer.state[p][m] for p in parameters if p.requires_grad for m in ("exp_avg", "exp_avg_sq")]
    if quantizer in ("synchronised", "straight_through"):
        expected = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])[:, None].expand(6, 6)
        assert len(left) == 2
        assert all(torch.equal(moment.view(6, 6), expected) for moment in left)
    elif quantizer == "product":
        of_shape, of_action = torch.tensor([1.0, 1.0, 0.0]), torch.tensor([1.0, 0.0])
        assert [moment[:, 0].tolist() for moment in left] == [of.tolist() for of in (of_shape, of_action) for _ in "mv"]
        assert all(torch.equal(moment, moment[:, :1].expand_as(moment)) for moment in left)
    else:
        assert all(bool((moment == 1).all()) for moment in left)
    others = [p for p in run.optimizer.state if not any(p is q for q in parameters)]
    assert all(bool((run.optimizer.state[p]["exp_avg"] == 1).all()) for p in others)


def test_masking_leaves_every_series_a_patch(small: dict, class_text: ClassText) -> None:
    values = small | {"training": {"batch_size": 4, "mask_fraction": 0.99}}
    run = run_of(Configuration(**values), class_text)
    kept = run._kept(5)
    assert kept is not None
    assert kept.shape == (5, 1)
    assert np.isfinite(run.train_epoch()["loss"])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("quantizer", ["synchronised", "ema"])
def test_a_step_never_waits_for_the_gpu(small: dict, class_text: ClassText, quantizer: str) -> None:
    run = run_of(Configuration(**small | {"quantizer": quantizer}), class_text, "cuda")
    run.step(run.train, None, quantize=True)  # what is done once, such as loading kernels, may wait
    torch.cuda.set_sync_debug_mode("error")
    try:
        outcome = run.step(run.train, None, quantize=True)
        run.model.quantizer.ema_update(outcome.z, outcome.indices)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_it_trains_on_a_gpu_in_mixed_precision(small: dict, class_text: ClassText) -> None:
    run = run_of(Configuration(**small | {"epochs": 60}), class_text, "cuda")
    assert run.model.mixed_precision
    for _ in range(60):
        run.train_epoch()
    assert run.evaluate()["series_fvu"] < 0.6
