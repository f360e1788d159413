"""Several real Ray Train workers share the recordings of each step and train what one process alone trains."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CONFIGURATION = {
    "data": {"name": "BasicMotions"},
    "vocabulary": str(Path(__file__).parents[3] / "spaces/sub_actions/basic_motions.yaml"),
    "codebook_size": 8,
    "epochs": 4,
    "threads": 1,
    "architecture": {"width": 16, "heads": 2, "encoder_layers": 1, "tokenizer_layers": 1, "decoder_layers": 1},
    # 28 recordings: steps of 9, 9, 9 and, not divided evenly among two workers either, 1.
    "training": {"batch_size": 9},
}

SCRIPT = """
import json, os, sys
from pathlib import Path
os.environ["RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"] = "0"  # as search.cluster: nobody takes this machine away

def train(task):
    import torch.distributed as dist
    from model.study import ShapeActionStudy
    resolved = ShapeActionStudy.resolve(task["configuration"], Path())
    run = ShapeActionStudy(resolved).trial(resolved, "cpu")
    seen = {"losses": [run.train_epoch() for _ in range(resolved["epochs"])], "metrics": run.evaluate()}
    seen |= {"replicas": run.replicas.size, "backend": dist.get_backend() if dist.is_initialized() else None}
    name = f"{task['name']}-{run.replicas.rank}"
    run.export(Path(task["folder"], name))
    Path(task["folder"], f"{name}.json").write_text(json.dumps(seen))

task = json.loads(sys.argv[1])
train(task | {"name": "alone"})
import ray
from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
TorchTrainer(
    train,
    train_loop_config=task | {"name": "together"},
    scaling_config=ScalingConfig(num_workers=2, resources_per_worker={"CPU": 1}),
    run_config=RunConfig(name="data-parallel", storage_path=task["folder"]),
).fit()
ray.shutdown()
"""


def test_two_ray_train_workers_train_as_one_process_does(tmp_path: Path) -> None:
    task = json.dumps({"configuration": CONFIGURATION, "folder": str(tmp_path)})
    done = subprocess.run([sys.executable, "-c", SCRIPT, task], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    alone, *together = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("alone-0", "together-0", "together-1")
    )
    assert (alone["replicas"], alone["backend"]) == (1, None)
    for worker in together:
        assert (worker["replicas"], worker["backend"]) == (2, "gloo")
        for mine, its in zip(alone["losses"], worker["losses"], strict=True):
            assert its == pytest.approx(mine, rel=2e-3, abs=1e-4)
    assert together[0] == together[1]
    for metric in ("stitch_fvu", "series_fvu", "contrastive_unfused"):
        assert together[0]["metrics"][metric] == pytest.approx(alone["metrics"][metric], rel=5e-3)
    tables = {"codes.csv", "confusion.csv", "sub_actions.csv", "vocabulary.json"}
    written = [tmp_path / name for name in ("alone-0", "together-0", "together-1")]
    for folder in written:
        assert {file.name for file in folder.iterdir()} == tables | {"model.safetensors", "config.json"}
    for table in ("sub_actions.csv", "vocabulary.json"):  # of the text alone
        assert len({(folder / table).read_bytes() for folder in written}) == 1
