"""Write the model card of an exported configuration: what it is, what was measured, on what data, how it is loaded.

The form is the Hugging Face hub's: a README.md that begins with YAML front matter, in which `model-index` holds the
measured metrics for machines (https://github.com/huggingface/hub-docs/blob/main/modelcard.md).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from results.front.points import trial_order
from results.records.objectives import metric_values
from results.records.run import Run, metric_names
from results.records.text import short

LIBRARY = "shape-action-search"
TAGS = ("time-series", "sensor", "codebook", "tokenizer", "sub-actions")
TASK, TASK_NAME = "feature-extraction", "shape tokens of time series"
FILES = {
    "configuration.yaml": "the whole configuration; trains it again",
    "model.safetensors": "weights, and what each code means",
    "config.json": "what the model says of itself, for `from_pretrained`",
    "vocabulary.yaml": "the phrases of each class",
    "codes.csv": "what every code means, how often it is used, and how sure that is",
    "confusion.csv": "which classes two linear classifiers on frozen features confuse",
    "sub_actions.csv": "every sub-action with its phrases and the classes that own it",
    "vocabulary.json": "how good the phrases are",
    "README.md": "this card",
    "export.json": "which trials these are, and the SHA-256 of every file",
}
TEMPLATES = Environment(  # Markdown, so nothing is escaped
    loader=PackageLoader("results", ""), trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
)


class Chosen(NamedTuple):
    """A point that is exported.

    Attributes:
        name: Of its folder.
        what: What it is, such as "the knee of the front".
        point: Its row: means over its seeds, and the trial that stands for it.
        seeds: Its finished trials.
        notes: Lines about the choice for the model card.
    """

    name: str
    what: str
    point: pd.Series
    seeds: pd.DataFrame
    notes: tuple[str, ...] = ()


class Measured(NamedTuple):
    """One metric over the seeds of a point; NaN for one seed: std, and the mean of those that did not choose it."""

    metric: str
    mean: float
    std: float
    again: float


def model_card(run: Run, chosen: Chosen, files: Sequence[str]) -> str:
    """Return the card of a point of a run, with the names of the files beside it, itself included."""
    measured = _measured(run, chosen)
    goals = {guard.metric: "guard" for guard in run.space.guards}
    goals |= {o.metric: f"objective, {o.better}" for o in run.space.objectives}
    return TEMPLATES.get_template("export/card.md.j2").render(
        run=run,
        chosen=chosen,
        files=files,
        about_files=FILES,
        front_matter=_front_matter(run, chosen, measured),
        folder=f"{run.title}/best/{chosen.name}",
        finished=int((run.trials["state"] == "finished").sum()),
        seeds=sorted(int(seed) for seed in chosen.seeds["seed"].dropna()),
        epochs=short(chosen.point["epochs"]) or "?",
        measured=[
            (f"`{one.metric}`", short(one.mean), short(one.std), short(one.again), goals.get(one.metric, ""))
            for one in measured
        ],
        guards=_guards(run, chosen),
        data=_data(run),
        parameters=[(f"`{name}`", short(chosen.point[name])) for name in run.space.parameter_names],
    )


def _front_matter(run: Run, chosen: Chosen, measured: Sequence[Measured]) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    study = run.space.provenance.get("study")
    dataset = str(study.get("dataset", run.title)) if isinstance(study, Mapping) else run.title
    results = [
        EvalResult(
            task_type=TASK,
            task_name=TASK_NAME,
            dataset_type=dataset,
            dataset_name=dataset,
            dataset_split="validation",
            metric_type=one.metric,
            metric_name=one.metric,
            metric_value=one.mean,
            metric_args={"seeds": len(chosen.seeds)} | ({} if math.isnan(one.std) else {"standard_deviation": one.std}),
        )
        for one in measured
        if one.metric in run.space.judged
    ]
    data = ModelCardData(
        library_name=LIBRARY,
        tags=list(TAGS),
        model_name=f"{run.title}-{chosen.name}",
        eval_results=results or None,
    )
    return data.to_yaml().strip()


def _measured(run: Run, chosen: Chosen) -> list[Measured]:
    """Return every metric that was measured, objectives and guards first."""
    measured, trials = [], list(chosen.seeds["trial"])
    order = sorted(range(len(trials)), key=lambda row: trial_order(trials[row]))  # the first is the one that was chosen
    for name in dict.fromkeys([*run.space.judged, *metric_names(run.trials, run.space)]):
        mean, values = float(chosen.point.get(name, math.nan)), metric_values(chosen.seeds, name)[order].tolist()
        several = len(values) > 1 and all(map(math.isfinite, values))
        std, again = (statistics.stdev(values), statistics.fmean(values[1:])) if several else (math.nan, math.nan)
        if math.isfinite(mean):
            measured.append(Measured(name, mean, std, again))
    return measured


def _guards(run: Run, chosen: Chosen) -> list[tuple[str, str, str]]:
    rows = []
    for guard in run.space.guards:
        value = metric_values(chosen.point.to_frame().T, guard.metric)
        rows.append((f"`{guard}`", short(float(value[0])), "yes" if guard.holds(value)[0] else "no"))
    return rows


def _data(run: Run) -> list[str]:
    study = run.space.provenance.get("study")
    lines = []
    for key, value in study.items() if isinstance(study, Mapping) else ():
        if text := _plain(value):
            lines.append(f"{str(key).replace('_', ' ')}: {text}")
    versions = run.space.provenance.get("versions")
    if isinstance(versions, Mapping):
        lines.append("made with " + ", ".join(f"{name} {version}" for name, version in versions.items()))
    return lines


def _plain(value: Any) -> str:
    """Return a value in words; "" for what is nested deeper than a list or a mapping."""
    if isinstance(value, Mapping):
        nested = any(isinstance(item, Mapping | list) for item in value.values())
        return "" if nested else ", ".join(f"{key} {item}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
