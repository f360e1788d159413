"""One way to run a search of pauses, in a process of its own; `overhead.py` starts it.

Prints, as JSON, when each trial's loop began and ended, in seconds since 1970, and when the process began to search.
The ways: `ours`; `nested`, a run of Ray Train inside each trial of Tune, as Ray's guide shows it (`tuned` is the same
with another environment, set by `overhead.py`); `optuna`, a thread per slot in this process.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.search.pause_study import EPOCHS, PauseRun, objectives

HERE = Path(__file__).parent
COMMAND = [sys.executable, "-m", "search.run", "pauses.yaml", "--out", "run"]  # called in the folder of the search


def write_search(folder: Path, document: dict[str, Any]) -> None:
    """Write a space file, and the study beside it, which the search's processes import."""
    (folder / "pauses.yaml").write_text(yaml.safe_dump(document))
    shutil.copy(HERE / "pause_study.py", folder)


def space(trials: int, slots: int, pause_s: float) -> dict[str, Any]:
    """Return the search as a space file."""
    names = ("first", "second")
    return {
        "name": "pauses",
        "study": "pause_study:PauseStudy",
        "parameters": {"x": {"type": "float", "low": 0.0, "high": 1.0}},
        "fixed": {"pause_s": pause_s},
        "objectives": [{"metric": n, "name": n, "direction": "minimise", "reference": 1.0} for n in names],
        "budget": {"trials": trials, "epochs": EPOCHS, "evaluate_every": 1},
        "resources": {"cpus": 1, "slots": slots},
    }


def ours(trials: int, slots: int, pause_s: float) -> list[tuple[float, float]]:
    """Run our search by its command line."""
    import pandas as pd

    with tempfile.TemporaryDirectory() as folder:
        write_search(Path(folder), space(trials, slots, pause_s))
        subprocess.run(COMMAND, cwd=folder, check=True, stdout=sys.stderr)
        table = pd.read_csv(Path(folder) / "run" / "trials.csv")
        return list(zip(table["loop_began"], table["loop_ended"], strict=True))


def nested(trials: int, slots: int, pause_s: float) -> list[tuple[float, float]]:
    """Run Ray Train inside each trial of Ray Tune, reports handed on by Ray's own callback."""
    import ray
    from ray import train, tune
    from ray.train import ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback
    from ray.tune.search.optuna import OptunaSearch

    def loop(config: dict[str, Any]) -> None:
        run = PauseRun(config)
        for _ in range(EPOCHS):
            run.train_epoch()
            train.report(run.evaluate())

    with tempfile.TemporaryDirectory() as folder:

        def one_trial(config: dict[str, Any]) -> None:
            trainer = TorchTrainer(
                loop,
                train_loop_config=config,
                scaling_config=ScalingConfig(num_workers=1, resources_per_worker={"CPU": 1}),
                run_config=train.RunConfig(
                    name=f"train-{tune.get_context().get_trial_id()}",
                    storage_path=folder,
                    callbacks=[TuneReportCallback()],
                ),
            )
            trainer.fit()

        # Ray's CPUs are a count: a trial of Tune takes one beside its worker's.
        ray.init(
            num_cpus=2 * slots, logging_level="error", runtime_env={"env_vars": {"PYTHONPATH": str(HERE.parents[1])}}
        )
        tuner = tune.Tuner(
            tune.with_resources(one_trial, {"cpu": 1}),
            param_space={"x": tune.uniform(0.0, 1.0), "pause_s": pause_s},
            tune_config=tune.TuneConfig(
                search_alg=OptunaSearch(metric=["first", "second"], mode=["min", "min"]),
                num_samples=trials,
                max_concurrent_trials=slots,
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        results = tuner.fit()
        ray.shutdown()
        return [(r.metrics["loop_began"], r.metrics["loop_ended"]) for r in results]


def optuna_alone(trials: int, slots: int, pause_s: float) -> list[tuple[float, float]]:
    """Run Optuna in this process, a thread per slot."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found: list[tuple[float, float]] = []
    lock = threading.Lock()

    def one_trial(trial: optuna.Trial) -> tuple[float, ...]:
        run = PauseRun({"x": trial.suggest_float("x", 0.0, 1.0), "pause_s": pause_s})
        for _ in range(EPOCHS):
            run.train_epoch()
        metrics = run.evaluate()
        with lock:
            found.append((metrics["loop_began"], metrics["loop_ended"]))
        return tuple(objectives(trial.params["x"]).values())

    study = optuna.create_study(directions=["minimize", "minimize"])
    study.optimize(one_trial, n_trials=trials, n_jobs=slots)
    return found


WAYS = {"ours": ours, "nested": nested, "tuned": nested, "optuna": optuna_alone}


if __name__ == "__main__":
    way, count, side_by_side, seconds = sys.argv[1], *map(int, sys.argv[2:4]), float(sys.argv[4])
    started = time.time()
    loops = WAYS[way](count, side_by_side, seconds / EPOCHS)
    print(json.dumps({"started": started, "loops": sorted(loops)}))
