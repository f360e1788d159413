"""Tell which parameters matter: for each objective, and for the hypervolume.

The numbers are PED-ANOVA's (Watanabe, Bansal and Hutter, IJCAI 2023; for parameters under a condition Kaito et al., KDD
2026), as Optuna has it: how far the values of a parameter among the best points differ from its values among all.
It compares with what was tried, not with an even spread, so it is fair to a sampler that tries good values more often;
one hopeless point changes nothing. An objective's best points are those with its best values. For the hypervolume they
are those that dominate most volume on their own, up to the reference point. Points that break a guard are left out, and
a point counts once, however many seeds it has.

Values among a few points differ from those among all by chance as well. By how much is found by shuffling: points
drawn at random take the place of the best, `SHUFFLES` times. Beyond the line that is so found, in units of its mean by
chance, none of the parameters comes in 95 % of the shuffles (Westfall and Young, "Resampling-based multiple testing",
1993).
Of very many points no more than `MOST_SHUFFLED` are shuffled, which draws the line a little too far out.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from results.front.front import reference_point
from results.front.overview import Overview
from results.records.objectives import minimised, objective_values
from results.records.space import Parameter
from results.records.tables import LINE
from results.records.text import cell

if TYPE_CHECKING:
    from optuna.study import Study

# PED-ANOVA asks for at least 5 trials among the best; where half of all are the best, it says little.
BEST_POINTS, BEST_FRACTION = 5, 0.1
FEWEST_POINTS = 2 * BEST_POINTS
HYPERVOLUME = "hypervolume"
SHUFFLES, MOST_SHUFFLED, LEVEL, SEED = 100, 500, 0.05, 0


class Importance(NamedTuple):
    """Importances for one target.

    Attributes:
        target: Metric of an objective, or `HYPERVOLUME`.
        values: Importance of each parameter, in their order, 0 or more; empty if there is nothing to tell.
        chance: What each would have to exceed to be more than chance.
        best: How many points were the best ones.
        points: Of how many.
        lacking: Why there is nothing to tell; "" if there is.
    """

    target: str
    values: tuple[float, ...]
    chance: tuple[float, ...]
    best: int
    points: int
    lacking: str

    @property
    def told(self) -> tuple[bool, ...]:
        """Which parameters are told from chance."""
        return tuple(value > chance for value, chance in zip(self.values, self.chance, strict=True))


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
    rows = np.flatnonzero(known & view.counted)
    if lacking := _lacking(parameters, len(rows)):
        return tuple(p.name for p in parameters), [Importance(name, (), (), 0, len(rows), lacking) for name in names]
    counted = [configurations[row] or {} for row in rows]
    study = _study(parameters, counted)
    used = [p.name for p in parameters if any(p.name in configuration for configuration in counted)]
    by_chance = lru_cache(lambda best: _chance(parameters, counted, used, best))
    return tuple(used), [_importance(study, name, used, targets[rows, n], by_chance) for n, name in enumerate(names)]


def by_importance(parameters: Sequence[str], told: Sequence[Importance]) -> list[int]:
    """Return the positions of the parameters, the one that is most important for any target first."""
    most = np.max([importance.values for importance in told], axis=0)
    return np.argsort(-most, kind="stable").tolist()


def _targets(view: Overview) -> np.ndarray:
    """Return what is explained, to be minimised, (points, objectives + 1): the last is what each dominates alone."""
    values = minimised(objective_values(view.points.table, view.objectives), view.objectives)
    volumes = np.prod(np.maximum(reference_point(view.objectives) - values, 0.0), axis=1)
    return np.hstack([values, -volumes[:, None]])


def _lacking(parameters: Sequence[Parameter], points: int) -> str:
    if not parameters:
        return "no parameter was searched"
    if points < FEWEST_POINTS:
        return f"{points} points keep the guards, {FEWEST_POINTS} are needed"
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
    """Return the parameters of each point, without those it does not have; None where a value is not in its range.

    None for lines too: their values say how they began as much as where they are.
    """
    points = view.points.table
    lines = points[LINE] if LINE in points else [""] * len(points)
    found: list[dict[str, Any] | None] = [{} if cell(line) in ("", "nan") else None for line in lines]
    for parameter in parameters:
        values = list(points[parameter.name]) if parameter.name in points else []
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


def _study(parameters: Sequence[Parameter], configurations: list[dict[str, Any]]) -> Study:
    """Return a study in memory that holds the points, quietly; their values are given when it is asked."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study()
    finally:
        optuna.logging.set_verbosity(verbosity)
    distributions = {parameter.name: _distribution(parameter) for parameter in parameters}
    study.add_trials(
        optuna.trial.create_trial(
            params=configuration, distributions={name: distributions[name] for name in configuration}, value=0.0
        )
        for configuration in configurations
    )
    return study


def _importance(
    study: Study,
    target: str,
    parameters: Sequence[str],
    values: np.ndarray,
    by_chance: Callable[[int], tuple[float, ...]],
) -> Importance:
    count = len(values)
    fraction = max(BEST_FRACTION, BEST_POINTS / count)
    # As the evaluator chooses them: all that are as good as the last of the best.
    best = values <= np.sort(values)[math.ceil(fraction * count) - 1]
    chosen = int(best.sum())
    if chosen > count / 2:
        return Importance(target, (), (), chosen, count, f"{chosen} of {count} points are equally good")
    return Importance(target, _divergences(study, parameters, best), by_chance(chosen), chosen, count, "")


def _divergences(study: Study, parameters: Sequence[str], best: np.ndarray) -> tuple[float, ...]:
    """Return PED-ANOVA's importance of each parameter where `best`, (points,), says which are the best."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a low target is a good one, and that few trials have a parameter
        found = get_param_importances(
            study,
            evaluator=PedAnovaImportanceEvaluator(target_quantile=best.mean()),
            params=list(parameters),
            target=lambda trial: 0.0 if best[trial.number] else 1.0,
            normalize=False,
        )
    return tuple(float(found[name]) for name in parameters)


def _chance(
    parameters: Sequence[Parameter], configurations: list[dict[str, Any]], used: Sequence[str], best: int
) -> tuple[float, ...]:
    """Return what the importance of no parameter exceeds in 95 % of cases if `best` points are the best by chance."""
    random = np.random.default_rng(SEED)
    points = len(configurations)
    if points > MOST_SHUFFLED:
        configurations = [configurations[row] for row in random.permutation(points)[:MOST_SHUFFLED]]
        best = max(BEST_POINTS, round(best * MOST_SHUFFLED / points))
    study, points = _study(parameters, configurations), len(configurations)
    drawn = np.array([_divergences(study, used, random.permutation(points) < best) for _ in range(SHUFFLES)])
    usual = drawn.mean(axis=0)
    farthest = (drawn / np.where(usual > 0, usual, 1.0)).max(axis=1)
    return tuple((usual * np.quantile(farthest, 1.0 - LEVEL)).tolist())
