"""A search that begins on a head without a CPU, on Ray's own stand-in for a cluster that scales by itself."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
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
            "use_node_id_as_ip": True,
        },
        "available_node_types": {
            "node": NODE,
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        },
        "head_node_type": "ray.head.default",
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


def nodes_seen(address, search):
    """The number of living nodes besides the head, each time that it has changed, until the search has ended."""
    command = [str(Path(sys.executable).with_name("ray")), "status", f"--address={address}"]
    seen = []
    while search.poll() is None:
        status = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        active = status.partition("Active:")[2].partition("Pending:")[0]
        living = sum(int(number) for number in re.findall(r"(\d+) node\b", active))
        if active and seen[-1:] != [living]:
            seen.append(living)
        time.sleep(3.0)
    return seen


def test_a_search_grows_from_nothing_to_three_nodes_and_lets_two_go(space_folder, document, address, tmp_path):
    document |= {"budget": {"trials": 8, "epochs": 20}, "resources": {"max_slots": 3, "start_within_s": 120}}
    document |= {"fixed": {"misbehave": {}}, "guards": {}}
    document["parameters"]["sleep_s"] = {"type": "float", "low": 0.4, "high": 5.0}
    point = {"width": 8, "kind": "a"}  # seven trials of 8 s and one of 100 s, which needs one node
    document["start"] = [{**point, "x": x / 10, "sleep_s": 0.4} for x in range(7)] + [
        {**point, "x": 0.9, "sleep_s": 5.0}
    ]
    (space_folder / "toy.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    command = [sys.executable, "-m", "search.run", "toy.yaml", "--address", address]
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    with (tmp_path / "printed.txt").open("w") as output:
        search = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        seen = nodes_seen(address, search)
    printed = (tmp_path / "printed.txt").read_text()
    assert search.returncode == 0, printed
    trials = read_trials(space_folder / "runs/toy")
    assert trials["state"].tolist() == ["finished"] * 8
    assert trials["epochs"].tolist() == [20] * 8
    assert set(trials["slot"]) == {"0", "1", "2"}, "it has had three nodes"
    log = (space_folder / "runs/toy/log.txt").read_text()
    assert max(int(number) for number in re.findall(r"trials at a time now (\d+), before", log)) == 3
    assert seen[0] == 0, seen
    assert max(seen) == 3, seen
    while_it_trained = seen[:-1] if seen[-1] == 0 else seen  # the report is drawn when the last node may have gone
    assert while_it_trained[-1] == 1, f"two nodes go while the last trial runs: {seen}"
    assert "had no worker" not in printed
