"""How many trials run at a time on a cluster that grows and shrinks.

Only a run that left the number of slots to the search follows its cluster. With `resources.max_slots` it also asks for
places, which a cluster that scales by itself then has: no trial is given out before.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from search.space.resources import PlannedResources
from search.tune.preflight import Available, fitting_trials

REPLAN_S = 10.0

log = logging.getLogger(__name__)


class Capacity:
    """The number of slots at any moment."""

    def __init__(
        self,
        resources: PlannedResources,
        look: Callable[[], Available],
        grow: Callable[[int], object],
        clock: Callable[[], float] = time.monotonic,
        most: int | None = None,
        ask: Callable[[list[dict[str, float]]], object] = lambda bundles: None,
    ):
        """Begin with the slots that were planned.

        `look` returns what the cluster has now; `grow` is told of a number of slots before a trial is given out to the
        last of them; `clock` gives seconds. `most` is how many slots there may be at most, for which `ask` is told what
        the cluster should have room for; None: as many as it has by itself.
        """
        self._limit, self._ask = most, ask
        self._asked = 0
        self._resources, self._look, self._grow, self._clock = resources, look, grow, clock
        self._slots = resources.slots if most is None else 0
        self._most, self._stranded = resources.slots, 0
        self._next = clock() + (REPLAN_S if most is None else 0.0)

    def slots(self, wanted: Callable[[], int] = lambda: 1) -> int:
        """Return how many trials may run now, those on lost nodes included until their slots give them back.

        It is 1 at least, so that a run without any node comes to an end of its own, but 0 where places are asked for:
        then they are waited for. `wanted` says how many trials there are to be run.
        """
        if self._limit is not None:
            self._ask_for(wanted())
        if self._clock() >= self._next:
            self._look_again()
        return self._slots + self._stranded

    def given_back(self, node_lost: bool = False) -> bool:
        """Note that a slot without workers has given its trial back, and say whether a lost node explains that.

        The cluster is looked at again where one is known to have been lost.
        """
        if node_lost:
            self._look_again()
        explained = self._stranded > 0
        self._stranded -= explained
        return explained or node_lost

    def release(self) -> None:
        """Ask for no places any more."""
        self._ask_for(0)

    def _ask_for(self, wanted: int) -> None:
        """Ask for places where others are needed than before; a cluster with fewer trials to come may shrink."""
        places = min(wanted, self._limit or 0)
        if places != self._asked:
            self._ask([self._resources.bundle] * (places * self._resources.workers))
            self._asked = places

    def tell_again(self) -> None:
        """Tell anew of all slots, after the one who is told has forgotten them."""
        self._grow(self._most)

    def _look_again(self) -> None:
        found = fitting_trials(self._resources, self._look())
        found = max(1, found) if self._limit is None else min(found, self._limit)
        self._next = self._clock() + REPLAN_S
        if found != self._slots:
            log.warning("the cluster has changed: trials at a time now %d, before %d", found, self._slots)
        # A trial ran in every place that is lost, and still counts as running; where none did, the next one that is
        # given out finds no place and comes back.
        self._stranded = max(0, self._stranded + self._slots - found)
        if found > self._most:
            self._grow(found)
            self._most = found
        self._slots = found
