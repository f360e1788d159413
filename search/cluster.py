"""The Ray cluster of a run: the environment it needs, starting or joining it, its dashboard, and leaving it.

Every `ray.init` is here, and so are the environment variables that Ray reads. They have to be set before Ray is
imported, so importing this module imports nothing of Ray.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from search.exceptions import one_line
from search.record.outbox import remove_stand_in, sees
from search.tune.preflight import Available, Node
from search.watch.head import Vital

ENVIRONMENT = {
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_TRAIN_ENABLE_STATE_TRACKING": "1",  # the dashboard then answers at /api/train/v2/runs/v1
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths of a study mean what they mean in the driver
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ROTATION_MAX_BYTES": str(64 * 2**20),  # of what each worker prints, which is in Ray's own folder
    "RAY_ROTATION_BACKUP_COUNT": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # trials.csv and curves.csv are the record
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # search.watch.interruption has its own
    "TUNE_RESULT_BUFFER_LENGTH": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # the journal is the state; Tune's copy of it costs time between trials
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}


IN_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # set where `ray job submit` has started this process
METRICS_PORT = 8099  # deploy/prometheus.yaml looks there
CONNECT_TIMEOUT_S = 5.0
MOST_TRIES = 3
GONE_S = 3.0  # without an answer, of a process that nobody starts again
RECONNECT = "RAY_gcs_rpc_server_reconnect_timeout_s"
RECONNECT_S = 60.0  # after which Ray ends a driver without its head
RECONNECT_SHARE = 0.5  # of that time for the head to come back; the rest is for an end in good order
NODE_TIMEOUT_S = 120.0  # the first call to a node unpacks the code there and starts a process
HEAD = "node:__internal_head__"
QUIET: dict[str, Any] = {"log_to_driver": False, "ignore_reinit_error": False, "configure_logging": False}

log = logging.getLogger(__name__)


class ClusterError(RuntimeError):
    """A cluster that cannot be started or reached."""


class Dashboard(NamedTuple):
    """Where the dashboard is."""

    address: str  # its URL; "" if there is none
    login: str  # what a user does to log in; "" if nothing
    metrics: str  # URL of the driver's node at which Prometheus finds the run's gauges; "" if there is none


def prepare_environment(slots: int | None, import_folders: list[Path]) -> None:
    """Set what Ray reads; call before anything imports Ray.

    As many actors as there are slots may start together; `slots` is None where it is not known yet. Workers find the
    study's module in `import_folders`.
    """
    os.environ.update(ENVIRONMENT)
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(slots or 64)
    known = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    folders = [str(folder) for folder in import_folders if str(folder) not in known]
    os.environ["PYTHONPATH"] = os.pathsep.join([*folders, *known])


def start_local(available: Available) -> Dashboard:
    """Start a cluster of this machine alone, with a dashboard where one can be started.

    Raises:
        ClusterError: Ray does not start.
    """
    # Nobody takes this machine away during the run; each group's watcher would start beside its first trials.
    os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    import ray

    from search.worker.nodes import born_in_the_nursery

    given: dict[str, Any] = {"num_cpus": int(available.cpus), "num_gpus": int(available.gpus), **QUIET}
    memory = available.machines[0].others.get("memory")
    given |= {"_memory": int(memory)} if memory else {}  # else Ray keeps a part of it for itself
    with born_in_the_nursery():
        try:
            context = ray.init(address="local", include_dashboard=True, _metrics_export_port=_metrics_port(), **given)
        except Exception as error:
            # Ray raises a bare Exception where its processes are not up in time, as when two clusters start together.
            log.warning("Ray did not start with a dashboard, trying without: %s", error)
            ray.shutdown()
            try:
                context = ray.init(address="local", include_dashboard=False, **given)
            except Exception as second:
                raise ClusterError(f"Ray does not start on this machine: {_last_line(second)}") from second
    return _dashboard(context)


def join(address: str, modules: Sequence[str]) -> Dashboard:
    """Connect to a cluster that is there already, at an address as for `ray.init`: `auto`, or `10.0.0.1:6379`.

    Its workers get `modules`, package folders and module files.

    Raises:
        ClusterError: It cannot be reached.
    """
    if address != "auto":
        from search.worker.nodes import send_token_where_asked

        _check_reachable(address)
        send_token_where_asked(address)
    import ray
    from ray.exceptions import AuthenticationError, RaySystemError

    brought: dict[str, Any] = {"env_vars": ENVIRONMENT, "py_modules": list(modules)}
    if IN_A_JOB not in os.environ:  # whose own may not be given again
        brought["excludes"] = ["__pycache__"]
    try:
        context = ray.init(address=address, runtime_env=brought, **QUIET)
    except (ConnectionError, RuntimeError, OSError, ValueError, AuthenticationError, RaySystemError) as error:
        raise ClusterError(f"--address {address}: {_why_not(error)}") from error
    return _dashboard(context)


def cluster_resources(address: str) -> Available:
    """Return what the joined cluster has in all, busy or not."""
    resources = [dict(node["Resources"]) for node in _nodes()]
    nodes = tuple(Node(has.pop("CPU", 0.0), has.pop("GPU", 0.0), has) for has in resources)
    cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
    return Available(cpus, gpus, f"the cluster at {address}", nodes, grows=True)


def ask_for(bundles: Sequence[Mapping[str, float]]) -> None:
    """Ask a cluster that scales by itself to have room for these at the same time; for none where it may shrink."""
    from ray.autoscaler.sdk import request_resources

    request_resources(bundles=[dict(bundle) for bundle in bundles])


def check_head_sees(folder: Path, session: str) -> list[str]:
    """Return the addresses of the nodes that do not see the marked run folder; the head node has to.

    Raises:
        ClusterError: The head node does not see it.
    """
    import ray
    from ray.exceptions import GetTimeoutError, RayError

    for tries_left in range(MOST_TRIES - 1, -1, -1):  # nodes may come and go in this very moment
        nodes = _nodes()
        try:
            seen = ray.get(_on_each(nodes, sees, folder, session), timeout=NODE_TIMEOUT_S)
            break
        except (RayError, GetTimeoutError) as error:
            if not tries_left:
                raise ClusterError(f"some node of the cluster cannot run anything: {_last_line(error)}") from error
            time.sleep(CONNECT_TIMEOUT_S)
    blind = [node for node, sees_it in zip(nodes, seen, strict=True) if not sees_it]
    if any(HEAD in node["Resources"] for node in blind):
        raise ClusterError(
            f"{folder}: is not seen by the head node of the cluster; start the search there, or give a folder that "
            "the head node sees as well with --out"
        )
    return [node["NodeManagerAddress"] for node in blind]


def vitals(joined: bool) -> list[Vital]:
    """Return the processes without which the cluster cannot go on; the head of one that was `joined` may come back."""
    import ray

    context = ray.get_runtime_context()
    head, _, port = context.gcs_address.rpartition(":")
    back_s = RECONNECT_SHARE * float(os.environ.get(RECONNECT, RECONNECT_S)) if joined else GONE_S
    here = [node for node in _nodes() if node["NodeID"] == context.get_node_id()]
    return [
        Vital("head (gcs_server)", head.strip("[]"), int(port), back_s),
        *(Vital("raylet", node["NodeManagerAddress"], node["NodeManagerPort"], GONE_S) for node in here),
    ]


def sweep_nodes(session: str) -> None:
    """Remove what a run that is over has left on nodes which do not see its folder."""
    import ray

    left = _on_each(_nodes(), remove_stand_in, session)
    ray.wait(left, num_returns=len(left), timeout=CONNECT_TIMEOUT_S)


def _on_each(nodes: Sequence[Mapping[str, Any]], function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Call a function on each node, and return what will be its answers."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return [
        ray.remote(num_cpus=0)(function)
        .options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False))
        .remote(*arguments)
        for node in nodes
    ]


def _nodes() -> list[dict[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def leave() -> None:
    """Stop a local cluster, or leave one that was joined."""
    import ray

    if ray.is_initialized():
        ray.shutdown()


def _dashboard(context: Any) -> Dashboard:
    url = context.dashboard_url or ""
    metrics = _metrics_address()
    if not url:
        return Dashboard("", "", metrics)
    token = os.environ.get("RAY_AUTH_MODE", "").lower() == "token"
    return Dashboard(
        url if "://" in url else f"http://{url}",
        f"log in with the token that `{_ray_command()} get-auth-token` prints" if token else "",
        metrics,
    )


def _metrics_port() -> int | None:
    """Return the fixed port for metrics; None, for one that Ray finds, where it is taken."""
    with socket.socket() as probe:
        try:
            probe.bind(("", METRICS_PORT))
        except OSError:
            log.warning("port %d is taken, metrics go elsewhere: another search may run here", METRICS_PORT)
            return None
    return METRICS_PORT


def _metrics_address() -> str:
    import ray

    here = ray.get_runtime_context().get_node_id()
    ports = [(node["NodeManagerAddress"], node["MetricsExportPort"]) for node in _nodes() if node["NodeID"] == here]
    return next((f"http://{host}:{port}/metrics" for host, port in ports if port > 0), "")


def _check_reachable(address: str) -> None:
    """Refuse an address where nothing answers: Ray itself would try again for many minutes.

    Raises:
        ClusterError: No connection within seconds.
    """
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(f"--address {address}: nothing answers there ({error}); start a cluster first") from error


def _ray_command() -> str:
    """Return how the user can call Ray's command line from here."""
    beside = Path(sys.executable).with_name("ray")
    if shutil.which("ray") or not beside.exists():
        return "ray"
    return os.path.relpath(beside)


def _why_not(error: Exception) -> str:
    """Return why a cluster cannot be joined, with both versions where they differ."""
    text = one_line(error)
    if "ersion mismatch" in text:
        return f"the cluster has other versions than this process: {text}"
    if "runtime env" in text.lower() or "runtime_env" in text:
        return f"the code cannot be brought to the cluster: {text}"
    return f"no Ray cluster can be reached there: {_last_line(error)}"


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
