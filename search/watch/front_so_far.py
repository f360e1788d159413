"""The front of a run that goes on, worked out anew only when a trial has ended."""

from __future__ import annotations

from results.front.front import FrontSummary, summarise
from search.record.recorder import Snapshot
from search.space.schema import Space


class FrontSoFar:
    """Follows the front.

    Attributes:
        summary: Of the front, as of the last look.
    """

    def __init__(self, space: Space):
        """Begin with an empty front.

        Args:
            space: What is searched.
        """
        self._space = space
        self._rows = 0
        self.summary = FrontSummary(summarise([], space.objectives, space.guards).front, 0.0)

    def follow(self, snapshot: Snapshot) -> bool:
        """Take a look, and say whether trials have ended since the last one and any has finished."""
        if len(snapshot.rows) == self._rows or not any(row["state"] == "finished" for row in snapshot.rows):
            return False
        self._rows = len(snapshot.rows)
        space = self._space
        self.summary = summarise(snapshot.rows, space.objectives, space.guards, tuple(space.parameters))
        return True
