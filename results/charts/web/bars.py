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
    """Return a bar per parameter and target, the most important parameter on top."""
    told = [importance for importance in found if importance.shares]
    order = by_importance(parameters, told)
    chart = blank_chart("share of the importance", "")
    chart.update_layout(margin_l=16, barmode="group", bargap=0.3, height=150 + 22 * len(order) * len(told))
    for importance in told:
        shares = [importance.shares[position] for position in order]
        chart.add_bar(
            y=[literal(parameters[position]) for position in order],
            x=[round(share, 5) for share in shares],
            text=[f"{share:.0%}" for share in shares],
            textposition="outside",
            cliponaxis=False,
            orientation="h",
            name=literal(importance.target),
            marker={"color": CATEGORICAL[found.index(importance) % len(CATEGORICAL)]},
            hovertemplate=f"{literal(importance.target)}<br>%{{y}}: %{{x:.1%}}<extra></extra>",
        )
    longest = max(share for importance in told for share in importance.shares)
    chart.update_xaxes(tickformat=".0%", range=[0, 1.2 * longest])  # room for the number behind the longest bar
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
