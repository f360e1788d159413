"""Reads run folders: fronts, hypervolume, best configurations, figures and reports from recorded trials."""

from results.aggregate import Rebuilt, rebuild, unite
from results.records.errors import RecordError
from results.records.objectives import Guard, Objective
from results.records.run import (
    CurveTable,
    Run,
    RunSpace,
    TrialTable,
    read_curves,
    read_run,
    read_space,
    read_trials,
)

__all__ = [
    "CurveTable",
    "Guard",
    "Objective",
    "Rebuilt",
    "RecordError",
    "Run",
    "RunSpace",
    "TrialTable",
    "read_curves",
    "read_run",
    "read_space",
    "read_trials",
    "rebuild",
    "unite",
]
