"""A real run whose trials have two workers each, of the real study: what one worker trains, and past a failure."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from model.study import ShapeActionStudy
from results.records.run import read_curves, read_trials

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]

STUDY = '''
import torch.distributed as dist
from model.study import ShapeActionStudy

class Run:
    """Counts its replicas, and fails where it shall: on one of them alone, while the other waits for its gradients."""

    def __init__(self, run, seed):
        self._run, self._seed = run, seed

    def __getattr__(self, name):
        return getattr(self._run, name)

    def train_epoch(self):
        if self._seed == 1 and self._run.replicas.rank == 1 and self._run.epoch == 1:
            raise ValueError("mine alone")
        if self._seed == 2 and self._run.epoch == 2:
            raise ValueError("ours")
        return self._run.train_epoch()

    def evaluate(self):
        mine, everyone = self._run.evaluate(), [None] * dist.get_world_size()
        dist.all_gather_object(everyone, mine)
        counted = {"replicas": self._run.replicas.size, "gloo": dist.get_backend() == "gloo"}
        return {**mine, **counted, "alike": all(other == mine for other in everyone)}

class CountingStudy(ShapeActionStudy):
    metrics = (*ShapeActionStudy.metrics, "replicas", "gloo", "alike")

    def trial(self, configuration, device):
        return Run(super().trial(configuration, device), configuration["seed"])
'''

SPACE = {
    "name": "pairs",
    "study": "counting_study:CountingStudy",
    "parameters": {"action_weight": {"type": "float", "low": 0.2, "high": 0.8}},
    "fixed": {
        "vocabulary": str(ROOT / "spaces/sub_actions/basic_motions.yaml"),
        "codebook_size": 8,
        "architecture": {"width": 16, "heads": 2, "encoder_layers": 1, "tokenizer_layers": 1, "decoder_layers": 1},
        "training": {"batch_size": 9},  # 28 recordings: 9, 9, 9 and 1, none divided evenly among two workers
    },
    "objectives": [
        {"metric": metric, "name": name, "direction": "minimise", "reference": 9.0}
        for metric, name in (("stitch_fvu", "recon"), ("action_kl_ratio", "kl"))
    ],
    "budget": {"trials": 4, "epochs": 4, "evaluate_every": 2},
    "resources": {"workers": 2, "cpus": 1, "gpus": 0},
}


def test_two_workers_train_what_one_trains_and_leave_a_failing_trial_together(tmp_path):
    (tmp_path / "counting_study.py").write_text(STUDY)
    (tmp_path / "pairs.yaml").write_text(yaml.safe_dump(SPACE))
    done = subprocess.run(
        [sys.executable, "-m", "search.run", "pairs.yaml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"1 at a time with 2 workers of 1 CPU each", done.stdout)
    trials = read_trials(tmp_path / "runs/pairs").set_index("trial")
    assert trials["state"].to_dict() == {"0": "finished", "1": "failed", "2": "failed", "3": "finished"}
    assert trials.loc["1", "reason"] == "worker 1 of 2: ValueError: mine alone"
    assert trials.loc["2", "reason"] == "ValueError: ours"
    curves = read_curves(tmp_path / "runs/pairs")
    for number in ("0", "3"):
        assert trials.loc[number, ["replicas", "gloo", "alike"]].tolist() == [2, 1, 1]
        folder = tmp_path / "runs/pairs/trials" / number
        tables = {"codes.csv", "confusion.csv", "sub_actions.csv", "vocabulary.json"}
        assert {file.name for file in folder.iterdir()} == tables | {
            *("configuration.yaml", "config.json", "model.safetensors")
        }
        configuration = yaml.safe_load((folder / "configuration.yaml").read_text())
        alone = ShapeActionStudy(configuration).trial(configuration, "cpu")
        losses = [alone.train_epoch()["loss"] for _ in range(4)]
        together = curves[curves["trial"] == number]["loss"].tolist()
        # Sums of parts round differently, and Adam's step is as large for a gradient of rounding alone as for any.
        assert together[0] == pytest.approx(losses[0], rel=1e-5)
        assert together == pytest.approx(losses, rel=5e-3)
        metrics = alone.evaluate()
        for metric in ("stitch_fvu", "series_fvu", "action_kl_ratio", "contrastive_unfused"):
            assert trials.loc[number, metric] == pytest.approx(metrics[metric], rel=5e-3)
        alone.export(tmp_path / number)
        for table in ("sub_actions.csv", "vocabulary.json"):  # of the text alone
            assert (folder / table).read_bytes() == (tmp_path / number / table).read_bytes()
