"""The files for clusters: what Ray, Kubernetes and Slurm will read is well formed, and slurm.sh does what it says."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from search.preparation import Options
from search.run import search

DEPLOY = Path(__file__).parents[3] / "deploy"
COMMAND = "python -m search.run "


def asks_for(command: str, *more: str) -> None:
    """Parse a command line of the search with its own parser."""
    arguments = [*command.partition("-m search.run ")[2].split(), *more]
    options = Options(**search.make_context("search.run", arguments).params)
    assert options.address == "auto"
    assert (DEPLOY.parent / options.file).is_file()


def test_ray_accepts_the_cluster_file():
    from ray.autoscaler._private.util import prepare_config, validate_config

    text = (DEPLOY / "ray-cluster.yaml").read_text()
    config = yaml.safe_load(text)
    assert config["min_workers"] == config["max_workers"] == len(config["provider"]["worker_ips"])
    prepared = prepare_config(config)
    validate_config(prepared)  # against the schema that comes with Ray
    assert prepared["head_node_type"] in prepared["available_node_types"]
    commands = [line for line in text.splitlines() if "-m search.run" in line]
    assert len(commands) == 1
    asks_for(commands[0])


def test_a_misspelt_key_of_the_cluster_file_would_be_noticed():
    import jsonschema
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text())
    config["setup_command"] = config.pop("setup_commands")
    with pytest.raises(jsonschema.ValidationError, match="setup_command"):
        validate_config(prepare_config(config))


def test_the_ray_job_has_what_kuberay_requires():
    from importlib.metadata import version

    job = yaml.safe_load((DEPLOY / "rayjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert job["metadata"]["name"]
    spec = job["spec"]
    cluster = spec["rayClusterSpec"]
    assert version("ray").startswith(cluster["rayVersion"].rpartition(".")[0]), "the driver's Ray is the cluster's"
    assert spec["submissionMode"] == "K8sJobMode"
    assert spec["shutdownAfterJobFinishes"] is True
    head, (workers,) = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    for group in (head, workers):
        (container,) = group["template"]["spec"]["containers"]
        assert container["image"] == "YOUR-IMAGE"
        assert set(container["resources"]) == {"requests", "limits"}
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in group["template"]["spec"]["volumes"]}
    command, _, resumed = spec["entrypoint"].partition(" $(")
    asks_for(command)
    assert resumed == "test -f /search/runs/tradeoff/space.yaml && echo --resume)'"


NOTE = 'note() { (flock 9; echo "$*" >>calls) 9>lock; }'
FAKES = {
    "scontrol": "echo one; echo two",
    "srun": 'while [ "${1#--}" != "$1" ]; do case $1 in --nodelist=*) node=${1#*=};; esac; shift; done\n'
    'note "$node: $*"; [ "$1" = hostname ] && echo 10.0.0.1 && exit; exec "$@"',
    "ray": "trap 'note ended; exit' TERM\n"
    'note "ray $*"\ncase $1 in health-check) [ -f up ];;\n'
    "start) case $* in *--head*) sleep 0.3; touch up;; esac; while :; do sleep 0.1; done;; esac",
    "python": 'note "python $*"\ntrap "note interrupted; exit 130" TERM\n'
    'while [ "$(grep -c "^ray start" calls)" != 2 ]; do sleep 0.1; done\n'
    'touch searching; [ -z "$HOLD" ] || while :; do sleep 0.1; done; exit 3',
}


def slurm(folder: Path, hold: str) -> subprocess.Popen:
    """Start the script with stand-ins for Slurm, Ray and Python that write down how they were called."""
    for name, body in FAKES.items():
        (folder / name).write_text(f"#!/bin/bash\n{NOTE}\n{body}\n")
        (folder / name).chmod(0o755)
    environment = {"SLURM_JOB_NODELIST": "[one-two]", "SLURM_CPUS_PER_TASK": "8", "HOLD": hold}
    environment["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", str(DEPLOY / "slurm.sh"), "spaces/tradeoff.yaml", "--trials", "9"]
    return subprocess.Popen(command, cwd=folder, env={**os.environ, **environment})


@pytest.mark.slow
def test_the_slurm_script_starts_ray_on_every_node_and_ends_with_the_exit_code_of_the_search(tmp_path):
    assert slurm(tmp_path, "").wait(timeout=300) == 3
    calls = (tmp_path / "calls").read_text().splitlines()
    common = "--block --disable-usage-stats --num-cpus=8 --num-gpus=0"
    assert f"one: ray start --head --port=6379 --node-ip-address=10.0.0.1 {common}" in calls
    assert f"two: ray start --address=10.0.0.1:6379 {common}" in calls
    assert "python -m search.run spaces/tradeoff.yaml --trials 9 --address 10.0.0.1:6379" in calls
    assert calls.count("ended") == 2


@pytest.mark.slow
def test_the_slurm_script_hands_an_interruption_on(tmp_path):
    import time

    process = slurm(tmp_path, "yes")
    deadline = time.monotonic() + 300
    while not (tmp_path / "searching").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)  # the script is about to wait for the search
    process.terminate()
    assert process.wait(timeout=300) == 130
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls.index("interrupted") < calls.index("ended"), "Ray stays until the search has ended"
