from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from model.configuration.reading import Configuration, ConfigurationError, parse_configuration
from model.network.alignment import ClassText
from model.network.batch import Batch
from model.training.losses import loss_terms, total_loss
from model.training.run import ShapeActionRun

# What every process runs: the same run of training, in double precision so that only real differences show.
REPLICA = """
import json, sys, torch, torch.distributed as dist
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
from model.configuration.reading import Configuration
from model.network.alignment import ClassText
from model.network.batch import Batch
from model.training.replicas import Replicas
from model.training.run import ShapeActionRun
task = json.loads(sys.argv[1])
dist.init_process_group("gloo")
generator = torch.Generator().manual_seed(7)
embeddings, others = ([torch.randn(n, 12, generator=generator) for n in (3, 2, 3)] for _ in range(2))
text = ClassText(embeddings, [[0, 1, 1], [0, 2], [3, 4, 3]], 5, [list(phrases[:, None]) for phrases in others])
def recordings(n, seed):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 3
    x = torch.sin(6.28 * (2.0 * y[:, None, None] + 1.5) * torch.linspace(0, 1, 64)
                  + 6.28 * torch.rand(n, 2, 1, generator=generator))
    level = torch.rand(n, 2, 2, generator=generator) + 0.5
    return Batch((x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True), y, level)
run = ShapeActionRun(
    Configuration(**task["configuration"]), recordings(12, 0), recordings(6, 1), text, None, Replicas.of_process_group()
)
out = {"losses": [run.train_epoch() for _ in range(task["configuration"]["epochs"])], "metrics": run.evaluate()}
out["weights"] = {name: p.double().sum().item() for name, p in run.model.state_dict().items()}
with open(sys.argv[2], "w") as file:
    json.dump(out, file)
dist.destroy_process_group()
"""


def numbers(seen: dict) -> dict[str, float]:
    """Everything that a replica saw, by name."""
    flat = {f"epoch {n} {key}": v for n, losses in enumerate(seen["losses"]) for key, v in losses.items()}
    return flat | seen["metrics"] | seen["weights"]


@pytest.mark.slow
@pytest.mark.parametrize("quantizer", ["synchronised", "ema"])
def test_several_replicas_train_as_one_does(
    small: dict, quantizer: str, replicas: Callable[[str, int, dict], list[dict]]
) -> None:
    configuration = small | {"quantizer": quantizer, "classify": "both", "epochs": 3}
    configuration |= {"architecture": small["architecture"] | {"levels": "both"}}
    # Steps of 5, 5 and 2 recordings: parts of unequal size, and with three replicas a step that is not divided.
    configuration |= {"training": {"batch_size": 5, "mask_fraction": 0.2, "roll": 0.2, "revive_below": 0.5}}
    configuration["training"] |= {"wordings": "drawn"}
    alone = numbers(replicas(REPLICA, 1, {"configuration": configuration})[0])
    for size in (2, 3):
        for replica in replicas(REPLICA, size, {"configuration": configuration}):
            # Losses are reported, and log-probabilities computed, in single precision.
            assert numbers(replica) == pytest.approx(alone, rel=1e-4, abs=1e-6, nan_ok=True)


def a_run(values: dict, text: ClassText) -> tuple[ShapeActionRun, Batch]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 2, 64, generator=generator).cumsum(-1)
    batch = Batch((x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True), torch.arange(6) % 3)
    return ShapeActionRun(Configuration(**values), batch, batch, text), batch


def gradients(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_micro_batches_add_up_to_their_weighted_mean(small: dict, class_text: ClassText) -> None:
    run, batch = a_run(small | {"training": {"accumulate": 3}}, class_text)
    outcome = run.step(batch, None, quantize=True, action_weight=0.5)
    together = gradients(run.model)
    run.model.zero_grad(set_to_none=True)
    c, losses = run.configuration, []
    for rows in (slice(0, 2), slice(2, 4), slice(4, 6)):
        part = Batch(batch.x[rows], batch.y[rows])
        terms = loss_terms(run.model, part, run.model(part.x.flatten(0, 1)), run.longest, 0.1)
        losses.append(total_loss(terms, c.losses, c.action_weight) * len(part.x) / 6)
    torch.stack(losses).sum().backward()
    written_out = gradients(run.model)
    assert together.keys() == written_out.keys()
    for name, gradient in together.items():
        torch.testing.assert_close(gradient, written_out[name], atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(outcome.loss, torch.stack(losses).sum().detach())
    assert outcome.z.shape == (6 * 2 * 8, 4)
    assert outcome.indices.shape == (6 * 2 * 8,)


def test_no_micro_batch_is_left_with_a_single_recording(small: dict, class_text: ClassText) -> None:
    run, batch = a_run(small | {"training": {"batch_size": 8, "accumulate": 4}}, class_text)
    five = batch.take(slice(0, 5))
    outcome = run.step(five, None, quantize=False, action_weight=0.5)
    halves = [batch.take(rows) for rows in (slice(0, 3), slice(3, 5))]
    losses = []
    for half in halves:
        terms = loss_terms(run.model, half, run.model(half.x.flatten(0, 1), quantize=False), run.longest, 0.1)
        losses.append(total_loss(terms, run.configuration.losses, run.configuration.action_weight) * len(half.x) / 5)
    torch.testing.assert_close(outcome.loss, torch.stack(losses).sum().detach())


def test_micro_batches_without_pairs_are_refused(small: dict) -> None:
    with pytest.raises(ConfigurationError, match=r"training\.accumulate: 5 micro-batches of a batch_size of 8 .*fewer"):
        parse_configuration(small | {"training": {"batch_size": 8, "accumulate": 5}})
