"""Every quantizer inside a training run: what moves its codes and when, and that runs repeat and continue exactly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor

from model.configuration.reading import Configuration, ConfigurationError, parse_configuration
from model.configuration.sections import LossWeights
from model.network.alignment import ClassText
from model.network.batch import Batch
from model.training.run import ShapeActionRun
from search.space.reading import read_space

NAMES = ["synchronised", "straight_through", "ema", "sim_vq", "fsq", "product"]
QUANTIZERS = [(name, False) for name in NAMES] + [(name, True) for name in NAMES[:4]]
NO_LOSS = dict.fromkeys(LossWeights.model_fields, 0.0)


def recordings(n: int = 12) -> Batch:
    return Batch(torch.randn(n, 2, 64, generator=torch.Generator().manual_seed(n)), torch.arange(n) % 3)


def run_of(small: dict, text: ClassText, **changes: object) -> ShapeActionRun:
    return ShapeActionRun(Configuration(**small | changes), recordings(), recordings(6), text)


def codes_of(run: ShapeActionRun) -> Tensor:
    return run.model.quantizer.codes.detach().clone()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rotation"), QUANTIZERS)
def test_it_trains_repeats_itself_and_continues_exactly(
    small: dict, class_text: ClassText, tmp_path: Path, name: str, rotation: bool
) -> None:
    """Two epochs with codes after one without; saved after each of the first two."""
    changes = {"quantizer": name, "rotation_trick": rotation, "epochs": 3, "training": {"batch_size": 4}}
    changes["training"] |= {"unquantized_fraction": 0.34, "revive_below": 0.5, "mask_fraction": 0.2}

    def results(run: ShapeActionRun, epochs: int) -> list[dict[str, float]]:
        return [run.train_epoch() for _ in range(epochs)] + [run.evaluate()]

    whole = run_of(small, class_text, **changes)
    expected = []
    for at in range(3):
        whole.save(tmp_path / str(at))
        expected.append(whole.train_epoch())
    expected.append(whole.evaluate())
    assert all(value == value for value in expected[2].values())
    assert results(run_of(small, class_text, **changes), 3) == expected
    for at in (1, 2):
        again = run_of(small, class_text, **changes)
        again.restore(tmp_path / str(at))
        assert results(again, 3 - at) == expected[at:]
        assert torch.equal(codes_of(again), codes_of(whole))


@pytest.mark.parametrize(("name", "rotation"), QUANTIZERS)
def test_codes_stay_as_they_are_in_the_warm_up_and_in_evaluation(
    small: dict, class_text: ClassText, name: str, rotation: bool
) -> None:
    run = run_of(small, class_text, quantizer=name, rotation_trick=rotation, epochs=4)
    first = codes_of(run)
    run.train_epoch()
    assert torch.equal(codes_of(run), first)
    run.train_epoch()
    assert not torch.equal(codes_of(run), first)
    trained = {k: v.clone() for k, v in run.model.state_dict().items()}
    run.evaluate()
    run.model.eval()(recordings(6).x.flatten(0, 1))
    run.model.train()(recordings(6).x.flatten(0, 1), quantize=False)
    assert all(torch.equal(trained[k], v) for k, v in run.model.state_dict().items())


def codes_after_one_step(small: dict, text: ClassText, action: float, **changes: object) -> Tensor:
    training = {"batch_size": 12, "unquantized_fraction": 0.0, "revive_below": 0.0, "roll": 0.0}
    run = run_of(small, text, losses=NO_LOSS | {"action": action}, training=training, **changes)
    run.train_epoch()
    return codes_of(run)


@pytest.mark.parametrize(("name", "rotation"), QUANTIZERS)
@pytest.mark.parametrize("method", ["action_decoder", "action_head"])
def test_which_codes_one_step_of_the_action_loss_moves(
    small: dict, class_text: ClassText, name: str, rotation: bool, method: str
) -> None:
    """All other loss weights are 0; the averages of `ema` move too, but not otherwise than without the action loss."""
    changes = {"quantizer": name, "rotation_trick": rotation, "method": method}
    without, with_action = (codes_after_one_step(small, class_text, action, **changes) for action in (0.0, 1.0))
    reached = method == "action_decoder" and name in {"synchronised", "fsq", "product"}
    assert torch.equal(without, with_action) != reached


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_a_quantizer_decays(small: dict, class_text: ClassText, name: str) -> None:
    run = run_of(small, class_text, quantizer=name)
    decayed, kept = ({id(p) for p in group["params"]} for group in run.optimizer.param_groups)
    own = {id(p) for p in run.model.quantizer.parameters()}
    assert own <= kept
    assert not own & decayed
    assert decayed


def test_the_rotation_trick_is_refused_where_it_means_nothing() -> None:
    with pytest.raises(ConfigurationError, match=r"^rotation_trick: means nothing with quantizer fsq") as caught:
        parse_configuration({"vocabulary": {}, "quantizer": "fsq", "rotation_trick": True})
    assert "\n" not in str(caught.value)


def test_a_space_file_can_choose_among_all_of_them(tmp_path: Path) -> None:
    document = yaml.safe_load((Path(__file__).parents[3] / "spaces" / "tradeoff.yaml").read_text())
    document["parameters"]["quantizer"] = {"type": "choice", "values": NAMES}
    path = tmp_path / "space.yaml"
    path.write_text(yaml.safe_dump(document))
    values = read_space(path).parameters["quantizer"].values
    assert [parse_configuration({"vocabulary": {}, "quantizer": value}).quantizer for value in values] == NAMES


@pytest.mark.slow
def test_the_library_is_loaded_only_where_it_is_used() -> None:
    code = "import sys, model.training; sys.exit('vector_quantize_pytorch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
