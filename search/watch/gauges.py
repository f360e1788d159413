"""How a run stands, as gauges on Ray's metrics port, for Prometheus and for charts in Ray's dashboard.

The driver sets all of them but the GPU memory, which only a worker knows (`search.worker.wear`). A gauge of a trial
under way carries its slot: labels of single trials would be there for ever, with the last value of each.
"""

from __future__ import annotations

import threading
from collections import Counter

from ray.util.metrics import Gauge

from search.record.recorder import Recorder, Snapshot
from search.space.schema import Space
from search.watch.monitor import FrontSoFar

INTERVAL_S = 2.0  # between two looks
STATES = ("running", "finished", "stopped", "failed", "interrupted")
DESCRIPTIONS = {
    "search_front_size": "Points on the Pareto front so far",
    "search_hypervolume": "Hypervolume of the front so far",
    "search_trials": "Trials by state",
    "search_objective": "Last evaluation of the trial on a slot, by objective",
    "search_trial_on_slot": "Number of the trial on a slot",
    "search_epochs_per_second": "Epochs trained per second, all slots together",
    "search_slot_utilisation": "Share of the slots that train",
}


class Gauges:
    """Keeps the gauges of a run up to date, from entering to leaving it; Ray is there all that time."""

    def __init__(self, space: Space, recorder: Recorder, interval_s: float = INTERVAL_S):
        self._space, self._recorder, self._interval_s = space, recorder, interval_s
        labels = {"search_trials": ("run", "state"), "search_objective": ("run", "slot", "objective")}
        labels["search_trial_on_slot"] = ("run", "slot")
        self._gauges = {name: Gauge(name, text, labels.get(name, ("run",))) for name, text in DESCRIPTIONS.items()}
        self._front = FrontSoFar(space)
        before = recorder.snapshot()
        self._epochs, self._seconds = _epochs(before), before.seconds
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="gauges", daemon=True)

    def __enter__(self) -> Gauges:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _follow(self) -> None:
        while True:
            self.set(self._recorder.snapshot())
            if self._done.wait(self._interval_s):
                return

    def set(self, snapshot: Snapshot) -> None:
        """Set all gauges."""
        for name, value, labels in self.values(snapshot):
            self._gauges[name].set(value, {"run": self._space.name, **labels})

    def values(self, snapshot: Snapshot) -> list[tuple[str, float, dict[str, str]]]:
        """Return (gauge, value, labels beside the run's name) of everything that is known."""
        self._front.update(snapshot)
        summary = self._front.summary
        states = Counter(str(row["state"]) for row in snapshot.rows) + Counter(running=len(snapshot.running))
        training = [result for result in snapshot.running if result.epochs]
        found: list[tuple[str, float, dict[str, str]]] = [
            ("search_front_size", len(summary.front), {}),
            ("search_hypervolume", summary.hypervolume, {}),
            ("search_epochs_per_second", self._pace(snapshot), {}),
            ("search_slot_utilisation", len(training) / self._space.resources.planned.slots, {}),
        ]
        found += [("search_trials", states[state], {"state": state}) for state in STATES]
        for result in snapshot.running:
            if result.slot is None:
                continue
            slot = {"slot": str(result.slot)}
            found.append(("search_trial_on_slot", result.request.trial, slot))
            for objective in self._space.objectives:
                if objective.metric in result.metrics:
                    value = float(result.metrics[objective.metric])
                    found.append(("search_objective", value, {**slot, "objective": objective.name}))
        return found

    def _pace(self, snapshot: Snapshot) -> float:
        """Return epochs per second since the last look; trials that began anew count what they train again."""
        epochs = _epochs(snapshot)
        since, gained = snapshot.seconds - self._seconds, epochs - self._epochs
        self._epochs, self._seconds = epochs, snapshot.seconds
        return max(0.0, gained / since) if since > 0 else 0.0


def _epochs(snapshot: Snapshot) -> int:
    ended = sum(int(str(row["epochs"])) for row in snapshot.rows)
    return ended + sum(result.epochs for result in snapshot.running)
