"""Draw the report's bars as plotly figures: importance of the parameters, and cost by how trials ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from results.charts.costs import StateCost
from results.charts.importance import Importance, by_importance
from results.charts.style import CATEGORICAL, STATE_COLOURS, literal
from results.charts.web.front import blank_chart

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

NAMES_BESIDE_BARS: dict[str, Any] = {"autorange": "reversed", "showgrid": False, "ticks": "", "automargin": True}


def importance_chart(parameters: Sequence[str], found: Sequence[Importance]) -> Figure:
    """Return a bar per parameter and target, the most important parameter on top; hollow where it may be chance."""
    told = [importance for importance in found if importance.values]
    order = by_importance(parameters, told)
    chart = blank_chart("importance (PED-ANOVA)", "")
    chart.update_layout(margin_l=16, barmode="group", bargap=0.3, height=150 + 22 * len(order) * len(told))
    for importance in told:
        values = [importance.values[position] for position in order]
        chance = [importance.chance[position] for position in order]
        colour = CATEGORICAL[found.index(importance) % len(CATEGORICAL)]
        beyond = [importance.told[position] for position in order]
        chart.add_bar(
            y=[literal(parameters[position]) for position in order],
            x=[round(value, 5) for value in values],
            text=[f"{value:.2f}" for value in values],
            textposition="outside",
            cliponaxis=False,
            orientation="h",
            name=literal(importance.target),
            marker={
                "color": [colour if known else "white" for known in beyond],
                "line": {"color": colour, "width": 1.5},
            },
            customdata=[f"{line:.2f}" for line in chance],
            hovertemplate=f"{literal(importance.target)}<br>%{{y}}: %{{x:.2f}}; by chance up to %{{customdata}}"
            "<extra></extra>",
        )
    longest = max(value for importance in told for value in importance.values)
    chart.update_xaxes(range=[0, 1.4 * longest])  # room for the text behind the longest bar
    chart.update_yaxes(**NAMES_BESIDE_BARS)
    return chart


def cost_chart(costs: Sequence[StateCost]) -> Figure:
    """Return how the seconds, the epochs and the trials are shared out among the states."""
    chart = blank_chart("share", "")
    chart.update_layout(margin_l=16, barmode="stack", height=250)
    totals = [sum(getattr(cost, quantity) for cost in costs) for quantity in ("trials", "epochs", "seconds")]
    for cost in costs:
        amounts = (cost.trials, cost.epochs, cost.seconds)
        shares = [amount / total if total else 0.0 for amount, total in zip(amounts, totals, strict=True)]
        chart.add_bar(
            y=["trials", "epochs", "seconds of work"],
            x=[round(share, 5) for share in shares],
            text=[f"{share:.0%}" if share >= 0.04 else "" for share in shares],
            textposition="inside",
            insidetextanchor="middle",
            textfont={"color": "white"},
            orientation="h",
            name=cost.title,
            marker={"color": STATE_COLOURS[cost.state]},
            customdata=[f"{amounts[0]:,} trials", f"{amounts[1]:,} epochs", f"{amounts[2]:,.0f} s"],
            hovertemplate=f"{cost.title}<br>%{{customdata}}, %{{x:.1%}}<extra></extra>",
        )
    chart.update_xaxes(tickformat=".0%", range=[0, 1.05], dtick=0.25)
    chart.update_yaxes(**NAMES_BESIDE_BARS)
    return chart
