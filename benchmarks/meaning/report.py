"""Tables over seeds, and how well metrics that know no truth order what was trained."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from scipy.stats import spearmanr

from benchmarks.command_line import table_of
from benchmarks.meaning.training import CLUSTERS
from benchmarks.quality import report as quality

NAMED = ("codes", "tokens", "steps", "permuted", "chance", "label")
MEASURED = (
    "stitch_fvu",
    "shape_skill",
    "action_kl_ratio",
    "naming_error",
    "within_class_kl_ratio",
    "class_oracle_ratio",
)
CORRELATED = ("naming_error", "action_kl_ratio", "within_class_kl_ratio", "class_oracle_ratio", "text_accuracy")
SETTING = ("design", "kind", "changed", "codes", "weight", "method")
ZERO_SHOT = ("unseen", "seen", "seen_among_seen", "chance", "shared")
Rows = list[dict[str, Any]]


def over_seeds(runs: Rows) -> Rows:
    """Return mean and deviation over the seeds of each setting, in order."""
    rows = []
    for setting in dict.fromkeys(tuple(run[name] for name in SETTING) for run in runs):
        own = [run["measured"] for run in runs if tuple(run[name] for name in SETTING) == setting]
        spread = {name: quality.spread([measured[name] for measured in own]) for name in own[0]}
        rows.append({**dict(zip(SETTING, setting, strict=True)), "measured": spread})
    return rows


def rank_correlation(runs: Rows) -> dict[str, dict[str, float]]:
    """Return Spearman's ρ of each metric and the share of tokens named right, over the trainings of each design."""
    found = {}
    for design in dict.fromkeys(run["design"] for run in runs):
        own = [run["measured"] for run in runs if run["design"] == design and run["kind"] != CLUSTERS]
        if len(own) > 2:
            right = [measured["tokens"] for measured in own]
            values = {name: [measured[name] for measured in own] for name in CORRELATED}
            rho = {
                name: float(spearmanr(of, right)[0]) if len(set(of)) > 1 else float("nan")
                for name, of in values.items()
            }
            found[design] = {"trainings": len(own), **rho}
    return found


def table(rows: Rows) -> Table:
    """Return the table of what is named right."""
    lines = []
    for row in rows:
        network = row["kind"] != CLUSTERS
        how = (f"{row['weight']:g}", row["method"].removeprefix("action_")) if network else ("", "")
        labels = row["kind"] + (f", {row['changed']}" if row["changed"] else "")
        measured = row["measured"]
        cells = (quality.figure(measured[name]) if name in measured else "" for name in (*NAMED, *MEASURED))
        lines.append([row["design"], labels, str(row["codes"]), *how, *cells])
    headings = ("design", "labels", "J", "w", "action", *NAMED, *MEASURED)
    return table_of(headings, lines, left=2, title="named right, test part")


def correlation_table(found: dict[str, dict[str, float]]) -> Table:
    """Return the table of `rank_correlation`."""
    lines = [
        [design, f"{of['trainings']:.0f}", *(f"{of[name]:.2f}" for name in CORRELATED)] for design, of in found.items()
    ]
    return table_of(("design", "trainings", *CORRELATED), lines, title="rank correlation with tokens named right")


def zero_shot_table(runs: Rows) -> Table:
    """Return the table of classes left out."""
    lines = []
    for data, left_out in dict.fromkeys((run["data"], run["class"]) for run in runs):
        own = [run for run in runs if (run["data"], run["class"]) == (data, left_out)]
        lines.append(
            [data, left_out, *(quality.figure(quality.spread([run[name] for run in own])) for name in ZERO_SHOT)]
        )
    title = "recordings given to their class, test part"
    return table_of(("data", "left out", *ZERO_SHOT), lines, left=2, title=title)
