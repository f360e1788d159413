"""A real trial whose worker was killed goes on from its checkpoint and ends as if nothing had happened."""

from pathlib import Path

import pytest

from model.study import ShapeActionStudy
from search.space.reading import parse_space
from search.trials import TrialRequest
from tests.search.conftest import Killed

DOCUMENT = {
    "name": "small",
    "study": "model.study:ShapeActionStudy",
    "parameters": {"action_weight": {"type": "float", "low": 0.1, "high": 0.9}},
    "objectives": [
        {"metric": "stitch_fvu", "name": "recon", "direction": "minimise", "reference": 1.0},
        {"metric": "action_kl_ratio", "name": "kl", "direction": "minimise", "reference": 1.0},
    ],
    "budget": {"trials": 1, "epochs": 6, "evaluate_every": 2, "checkpoint_every_s": 0.0},
    "resources": {"cpus": 1, "gpus": 0, "slots": 1},
}
FIXED = {
    "data": {"name": "BasicMotions"},
    "codebook_size": 8,
    "architecture": {"width": 16, "heads": 2, "encoder_layers": 1, "tokenizer_layers": 1, "decoder_layers": 1},
    "training": {"batch_size": 9},
}
REQUEST = TrialRequest(0, {"action_weight": 0.4}, 5)


@pytest.mark.slow
@pytest.mark.parametrize("after", [3])
def test_a_continued_trial_is_the_undisturbed_one_to_the_last_bit(tmp_path, after, killed_at):
    vocabulary = str(Path(__file__).parents[3] / "spaces/sub_actions/basic_motions.yaml")
    fixed = ShapeActionStudy.resolve({**FIXED, "vocabulary": vocabulary}, tmp_path)
    for name in ("action_weight", "epochs", "seed", "threads"):
        fixed.pop(name, None)
    space = parse_space({**DOCUMENT, "fixed": fixed}, tmp_path / "small.yaml")
    study = ShapeActionStudy(fixed)

    def train(folder, until=99):
        return killed_at(study, space, tmp_path / folder, REQUEST, until)

    whole, _ = train("whole")
    assert whole.state == "finished", whole
    with pytest.raises(Killed, match=r"^$"):
        train("broken", until=after)
    result, updates = train("broken")
    assert updates[0].restarted_after == after - 1
    assert result.metrics == whole.metrics
    models = [(tmp_path / folder / "trials/0/model.safetensors").read_bytes() for folder in ("whole", "broken")]
    assert models[0] == models[1]
