"""Whether the resources asked for can ever be had, and what to take where nothing was asked for.

The demand is checked before Ray starts: a group of workers that can never be placed would wait for ever. Nothing here
loads ray, and torch only where there are GPUs.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from search.exceptions import InputError
from search.space.resources import GIB, NOTHING, OF_A_KIND, PlannedResources, Resources

TOLERANCE = 1e-6
SLOT_GIB = 1.2  # of memory that a slot takes with a small model: its worker 0.3 to 0.8, what looks after it 0.4
CGROUP = Path("/sys/fs/cgroup")


class PreflightError(InputError):
    """A demand that can never be met; the message holds the arithmetic."""


class Node(NamedTuple):
    """What one machine has."""

    cpus: float  # CPU cores that may be used
    gpus: float  # GPUs that may be used
    others: Mapping[str, float] = NOTHING  # amounts of what else there is, by Ray's names

    def places(self, each: PlannedResources) -> int:
        """Return how many workers fit; a GPU that is shared is never shared across two devices."""
        has = {"CPU": self.cpus, "GPU": self.gpus, **self.others}
        shared = 0 < each.gpus < 1
        fitting = [has.get(what, 0.0) / amount for what, amount in each.bundle.items() if what != "GPU" or not shared]
        fitting += [math.floor(self.gpus) * math.floor(1 / each.gpus + TOLERANCE)] if shared else []
        return math.floor(min(fitting) + TOLERANCE)


class Available(NamedTuple):
    """What there is."""

    cpus: float  # CPU cores that may be used
    gpus: float  # GPUs that may be used
    where: str  # how the message calls it, such as "this machine"
    nodes: tuple[Node, ...] = ()  # the machines of a cluster; () for a single machine
    grows: bool = False  # whether machines may come where places are asked for
    memory_gib: float = math.inf  # that may be used
    unused: str = ""  # what is there and cannot be used, as a line for the user

    @property
    def machines(self) -> tuple[Node, ...]:
        """Every machine by itself: a worker lives on one, while a trial's workers may live on several."""
        memory = {} if math.isinf(self.memory_gib) else {"memory": self.memory_gib * GIB}
        return self.nodes or (Node(self.cpus, self.gpus, memory),)


def local_resources() -> Available:
    """Return what this process may use of this machine, container limits included."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_cores(CGROUP)
    if quota is not None:
        cores = min(cores, max(1, math.floor(quota)))
    gpus, where = _local_gpus(), "this machine"
    unused = f"{gpus} GPUs of {where} are not used: {why}" if gpus and (why := _why_no_gpu()) else ""
    return Available(cores, 0 if unused else gpus, where, memory_gib=_free_memory_gib(), unused=unused)


def plan(wanted: Resources, available: Available, trials: int) -> Resources:
    """Fill in what a space file left out, and refuse what cannot be had.

    Without GPUs a worker gets one CPU; with GPUs it gets one of them and its share of the CPUs. There are as many slots
    as fit, by the free memory too, and at most one per trial.

    Raises:
        PreflightError: Not even one slot, or not all the slots asked for, fit.
    """
    gpus = wanted.gpus if wanted.gpus is not None else float(min(1, math.floor(available.gpus)))
    if 1 < gpus != math.floor(gpus):
        raise PreflightError(
            f"resources.gpus: {gpus:g} GPUs per trial; a share must be below 1, more must be whole GPUs"
        )
    if wanted.workers > 1 and 0 < gpus < 1:
        raise PreflightError(
            f"resources.workers: {wanted.workers} workers with {gpus:g} GPUs each could land on one GPU, where they "
            "cannot talk to one another (NCCL); give them whole GPUs, or take one worker"
        )
    if not available.nodes and (wanted.accelerator or wanted.custom):
        key = "accelerator" if wanted.accelerator else f"custom.{next(iter(wanted.custom))}"
        raise PreflightError(f"resources.{key}: only counts on a cluster; join one by --address, or leave it out")
    cpus = wanted.cpus or _share(available, gpus, wanted.workers, wanted.slots)
    one = PlannedResources(wanted.workers, cpus, gpus, 1, wanted.others)
    fitting = fitting_trials(one, available)
    each = (f"{wanted.workers} workers x " if wanted.workers > 1 else "") + f"({_amount(one)})"
    most = min(trials, wanted.max_slots or trials)
    if wanted.max_slots is not None and available.grows and wanted.slots is None:
        return wanted.model_copy(update={"cpus": cpus, "gpus": gpus, "slots": max(1, min(fitting, most))})
    if fitting < 1:
        alone = each if wanted.workers > 1 else _amount(one)
        raise PreflightError(f"resources: one trial needs {alone}, but {_has(available, one)}")
    by_memory = max(1, math.floor(min(available.memory_gib / SLOT_GIB, trials)))
    slots = wanted.slots or min(fitting, most, by_memory)
    if slots > fitting:
        raise PreflightError(
            f"resources.slots: {slots} slots x {each} = {_amount(one, slots * wanted.workers)}, "
            f"but {_has(available, one)}; {fitting} would fit"
        )
    return wanted.model_copy(update={"cpus": cpus, "gpus": gpus, "slots": slots})


def fitting_trials(each: PlannedResources, available: Available) -> int:
    """Return how many trials fit at a time; each worker on one machine, those of one trial on several if need be."""
    return sum(machine.places(each) for machine in available.machines) // each.workers


def _share(available: Available, gpus: float, workers: int, slots: int | None) -> int:
    """Return the CPUs of one worker, so that all the workers fit beside one another."""
    if gpus <= 0:
        return 1
    least = PlannedResources(workers, 1, gpus, 1)
    places = [(machine.cpus, machine.places(least)) for machine in available.machines]
    most = sum(number for _, number in places)
    if slots and slots * workers <= most:
        share = math.floor(available.cpus / (slots * workers))
        while share > 1 and fitting_trials(least._replace(cpus=share), available) < slots:
            share -= 1
        return max(1, share)
    return max(1, min((math.floor(cpus / number) for cpus, number in places if number), default=1))


def _amount(one: PlannedResources, times: int = 1) -> str:
    return _text(
        {what: amount if what.startswith(OF_A_KIND) else times * amount for what, amount in one.bundle.items()}
    )


def _text(amounts: Mapping[str, float]) -> str:
    """Return amounts by Ray's names as words."""
    words = []
    for what, amount in amounts.items():
        if what in ("CPU", "GPU"):
            words.append(f"{amount:g} {what}{'s' if amount != 1 else ''}")
        elif what == "memory":
            words.append(f"{amount / GIB:.3g} GiB of memory")
        else:
            words.append(f"an {what.removeprefix(OF_A_KIND)}" if what.startswith(OF_A_KIND) else f"{amount:g} {what}")
    return " and ".join(words)


def _has(available: Available, one: PlannedResources) -> str:
    """Say what there is of what is wanted."""
    nodes = f" on {len(available.nodes)} nodes" if len(available.nodes) > 1 else ""
    largest = f", at most {max(node.cpus for node in available.nodes):g} CPUs on one of them" if nodes else ""
    has = {"CPU": available.cpus, **({"GPU": available.gpus} if available.gpus else {})}
    has |= {what: sum(node.others.get(what, 0.0) for node in available.machines) for what in one.others}
    missing = [] if available.gpus else ["no GPU"]
    missing += [f"no {what.removeprefix(OF_A_KIND)}" for what in one.others if not has[what]]
    text = _text({what: amount for what, amount in has.items() if amount or what == "CPU"})
    unused = f" ({available.unused})" if available.unused else ""
    return f"{available.where} has {' and '.join([text, *missing])}{nodes}{largest}{unused}"


def _free_memory_gib() -> float:
    """Return what is free of this machine's memory, or of the container's; infinite where nobody knows."""
    free = math.inf
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(float(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) / 2**20
    with suppress(OSError, ValueError):  # "max" where there is no limit
        limit, used = (float((CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        # Files that were read and are not used are let go of where memory is needed.
        counts = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        free = min(free, (limit - used + float(counts.get("inactive_file", 0))) / 2**30)
    return free


def _cgroup_cores(folder: Path) -> float | None:
    """Return the container's limit in cores, of cgroup v2 (`max 100000`) or v1 (-1); None where there is none."""
    with suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else float(quota) / float(period)
    with suppress(OSError, ValueError):
        limit, period_us = (float((folder / "cpu" / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return None if limit < 0 else limit / period_us
    return None


def _why_no_gpu() -> str:
    """Return why torch cannot use a GPU; "" where it can."""
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built for CPUs alone"
    return "" if torch.cuda.is_available() else f"torch {torch.__version__} does not reach them, as with an old driver"


def _local_gpus() -> int:
    """Count NVIDIA GPUs without loading a driver library."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    drivers, devices = Path("/proc/driver/nvidia/gpus").glob("*"), Path("/dev").glob("nvidia[0-9]*")
    present = max(len(list(drivers)), len(list(devices)))  # containers may show only one of the two
    if visible is None:
        return present
    named = [name for name in visible.split(",") if name.strip() and name.strip() != "-1"]
    return min(present, len(named))
