"""Tell which parameters matter: for each objective, and for the hypervolume.

The numbers are PED-ANOVA's (Watanabe, Bansal and Hutter, IJCAI 2023; for parameters under a condition Kaito et al., KDD
2026), as Optuna has it: how far the values of a parameter among the best trials differ from its values among all.
It compares with what was tried, not with an even spread, so it is fair to a sampler that tries good values more often;
one hopeless trial changes nothing; and it draws no random numbers. An objective's best trials are those with its
best values. For the hypervolume they are those that dominate most volume on their own, up to the reference point; a
trial that breaks a guard dominates nothing. Every finished trial counts for the objectives, whatever its guards say.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from results.front.front import eligible, reference_point
from results.front.overview import Overview
from results.records.objectives import minimised, objective_values
from results.records.space import Parameter
from results.records.tables import LINE
from results.records.text import cell

if TYPE_CHECKING:
    from optuna.study import Study

# PED-ANOVA asks for at least 5 trials among the best; where half of all trials are the best, it says little.
BEST_TRIALS, BEST_FRACTION = 5, 0.1
FEWEST_TRIALS = 2 * BEST_TRIALS
HYPERVOLUME = "hypervolume"


class Importance(NamedTuple):
    """Importances for one target.

    Attributes:
        target: Metric of an objective, or `HYPERVOLUME`.
        shares: Importance of each parameter, in their order, adding up to 1; empty if there is nothing to tell.
        best: How many trials were the best ones.
        trials: Of how many.
        lacking: Why there is nothing to tell; "" if there is.
    """

    target: str
    shares: tuple[float, ...]
    best: int
    trials: int
    lacking: str


def same_space(view: Overview) -> bool:
    """Say whether all runs search the same parameters: only then do their trials say something together."""
    return len({run.space.parameters for run in view.runs.values()}) == 1


@lru_cache(maxsize=8)  # the page and the print share it
def importances(view: Overview) -> tuple[tuple[str, ...], list[Importance]]:
    """Return the parameters, the same in all runs, and their importances for each objective and the hypervolume."""
    space = next(iter(view.runs.values())).space
    parameters = [parameter for parameter in space.parameters if _distribution(parameter) is not None]
    targets = _targets(view)
    configurations = _configurations(view, parameters)
    names = [*(objective.metric for objective in view.objectives), HYPERVOLUME]
    known = np.array([found is not None for found in configurations], dtype=bool)
    rows = np.flatnonzero(known & np.isfinite(targets).all(axis=1))
    if lacking := _lacking(parameters, len(rows)):
        return tuple(p.name for p in parameters), [Importance(name, (), 0, len(rows), lacking) for name in names]
    counted = [configurations[row] or {} for row in rows]
    study = _study(parameters, counted, targets[rows])
    used = [p.name for p in parameters if any(p.name in configuration for configuration in counted)]
    shares = [_importance(study, name, used, targets[rows, n], n) for n, name in enumerate(names)]
    return tuple(used), shares


def by_importance(parameters: Sequence[str], told: Sequence[Importance]) -> list[int]:
    """Return the positions of the parameters, the one that is most important for any target first."""
    most = np.max([importance.shares for importance in told], axis=0)
    return np.argsort(-most, kind="stable").tolist()


def dominated_volumes(view: Overview) -> np.ndarray:
    """Return the volume that each trial dominates on its own, (trials,); 0 if it does not count, NaN if unfinished."""
    values = minimised(objective_values(view.trials, view.objectives), view.objectives)
    volumes = np.prod(np.maximum(reference_point(view.objectives) - values, 0.0), axis=1)
    for label, run in view.runs.items():
        rows = view.run_of(view.trials) == label
        counts = eligible(view.trials[rows], view.objectives, run.space.guards)
        volumes[np.flatnonzero(rows)[~counts]] = 0.0
    finished = (view.trials["state"] == "finished").to_numpy(dtype=bool)
    return np.where(finished & np.isfinite(values).all(axis=1), volumes, np.nan)


def _targets(view: Overview) -> np.ndarray:
    """Return what is explained, to be minimised, (trials, objectives + 1); NaN for trials that did not finish."""
    values = minimised(objective_values(view.trials, view.objectives), view.objectives)
    volumes = dominated_volumes(view)
    values = np.where(np.isfinite(volumes)[:, None], values, np.nan)
    return np.hstack([values, -volumes[:, None]])


def _lacking(parameters: Sequence[Parameter], trials: int) -> str:
    if not parameters:
        return "no parameter was searched"
    if trials < FEWEST_TRIALS:
        return f"{trials} finished trial{'' if trials == 1 else 's'} with finite objectives, {FEWEST_TRIALS} are needed"
    return ""


def _distribution(parameter: Parameter) -> Any:
    """Return Optuna's distribution of a parameter; None if its range was not recorded."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if parameter.type == "choice":
        texts = dict.fromkeys(cell(value) for value in parameter.values)
        return CategoricalDistribution(tuple(texts)) if texts else None
    if parameter.low is None or parameter.high is None:
        return None
    if parameter.type == "int":
        return IntDistribution(int(parameter.low), int(parameter.high), log=parameter.logarithmic)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.logarithmic)


def _configurations(view: Overview, parameters: Sequence[Parameter]) -> list[dict[str, Any] | None]:
    """Return the parameters of each trial, without those it does not have; None where a value is not in its range.

    None for lines too: their values say how they began as much as where they are.
    """
    lines = view.trials[LINE] if LINE in view.trials else [""] * len(view.trials)
    found: list[dict[str, Any] | None] = [{} if cell(line) in ("", "nan") else None for line in lines]
    for parameter in parameters:
        values = list(view.trials[parameter.name]) if parameter.name in view.trials else []
        for row, value in enumerate(values):
            configuration, text = found[row], cell(value)
            if text in ("", "nan") or configuration is None:
                continue
            if _inside(parameter, value):
                configuration[parameter.name] = text if parameter.type == "choice" else value
            else:
                found[row] = None
    return found


def _inside(parameter: Parameter, value: Any) -> bool:
    if parameter.type == "choice":
        return cell(value) in {cell(declared) for declared in parameter.values}
    return parameter.low is not None and parameter.high is not None and parameter.low <= value <= parameter.high


def _study(parameters: Sequence[Parameter], configurations: list[dict[str, Any]], targets: np.ndarray) -> Study:
    """Return a study in memory that holds the trials, quietly."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(directions=["minimize"] * targets.shape[1])
    finally:
        optuna.logging.set_verbosity(verbosity)
    distributions = {parameter.name: _distribution(parameter) for parameter in parameters}
    study.add_trials(
        optuna.trial.create_trial(
            params=configuration,
            distributions={name: distributions[name] for name in configuration},
            values=values.tolist(),
        )
        for configuration, values in zip(configurations, targets, strict=True)
    )
    return study


def _importance(study: Study, target: str, parameters: Sequence[str], values: np.ndarray, number: int) -> Importance:
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    count = len(values)
    fraction = max(BEST_FRACTION, BEST_TRIALS / count)
    # As the evaluator chooses them: all that are as good as the last of the best.
    best = int((values <= np.sort(values)[math.ceil(fraction * count) - 1]).sum())
    if best > count / 2:
        return Importance(target, (), best, count, f"{best} of {count} trials are equally good")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a low target is a good one, and that few trials have a parameter
        found = get_param_importances(
            study,
            evaluator=PedAnovaImportanceEvaluator(target_quantile=fraction),
            params=list(parameters),
            target=lambda trial: trial.values[number],
        )
    return Importance(target, tuple(float(found[name]) for name in parameters), best, count, "")
