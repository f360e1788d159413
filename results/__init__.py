"""Reads run folders: fronts, hypervolume, best configurations, figures and reports from recorded trials."""

from results.aggregate import Rebuilt, rebuild, unite
from results.exceptions import RecordError
from results.records.objectives import Guard, Objective
from results.records.run import Run, read_curves, read_run, read_trials
from results.records.space import RunSpace, read_space
from results.records.tables import CurveTable, TrialTable

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
