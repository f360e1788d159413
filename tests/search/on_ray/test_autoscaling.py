"""A search that begins on a head without a CPU, on Ray's own stand-in for a cluster that scales by itself."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from results.records.run import read_trials

pytestmark = pytest.mark.slow
NODE = {"resources": {"CPU": 1, "object_store_memory": 10**8}, "node_config": {}, "min_workers": 0, "max_workers": 3}


@pytest.fixture
def address(tmp_path):
    """The address of a head that may get three nodes of one CPU each, and has none."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    host = socket.gethostbyname(socket.gethostname())
    config = {
        "cluster_name": "fake_multinode",
        "max_workers": 3,
        "provider": {
            "type": "fake_multinode",
            "gcs_address": f"{host}:{port}",
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "foreground_node_launch": True,
            "worker_liveness_check": False,
        },
        "available_node_types": {"node": NODE, "head": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0}},
        "head_node_type": "head",
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 0.1,
        "auth": {},
        "file_mounts": {},
        "file_mounts_sync_continuously": False,
        **{key: [] for key in ("cluster_synced_files", "rsync_exclude", "rsync_filter", "initialization_commands")},
        **{f"{who}setup_commands": [] for who in ("", "head_", "worker_")},
        **{f"{who}_start_ray_commands": [] for who in ("head", "worker")},
    }
    (tmp_path / "autoscaling.json").write_text(json.dumps(config))
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", f"--port={port}"]
    command += [f"--autoscaling-config={tmp_path / 'autoscaling.json'}", "--num-cpus=0", "--include-dashboard=false"]
    environment = {**os.environ, "AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1"}
    environment["RAY_AUTH_MODE"] = "disabled"
    with (tmp_path / "head.txt").open("w") as output:
        head = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    yield f"{host}:{port}"
    os.killpg(head.pid, signal.SIGTERM)
    try:
        head.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(head.pid, signal.SIGKILL)


def test_a_search_grows_from_nothing_to_three_nodes_and_lets_them_go(space_folder, document, address, tmp_path):
    document |= {"budget": {"trials": 8, "epochs": 20}, "resources": {"max_slots": 3, "start_within_s": 120}}
    document |= {"fixed": {"sleep_s": 0.4, "misbehave": {}}, "guards": {}}
    (space_folder / "toy.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    command = [sys.executable, "-m", "search.run", "toy.yaml", "--address", address]
    ended = subprocess.run(
        command,
        env={**os.environ, "RAY_AUTH_MODE": "disabled"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    trials = read_trials(space_folder / "runs/toy")
    assert trials["state"].tolist() == ["finished"] * 8
    assert set(trials["slot"]) == {"0", "1", "2"}, "it has had three nodes"
    log = (space_folder / "runs/toy/log.txt").read_text()
    seen = [int(number) for number in re.findall(r"trials at a time now (\d+), before", log)]
    assert max(seen) == 3
    assert "had no worker" not in ended.stdout
