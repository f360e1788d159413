"""Render the pages of the report and of the atlas from their templates: each one file that opens anywhere, offline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LONG_TEXT = 40
LOADER = PackageLoader("results", "")
TEMPLATES = Environment(loader=LOADER, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)


def render(template: str, **values: Any) -> str:
    """Return the page that a template, named from the package's folder, makes of values."""
    return TEMPLATES.get_template(template).render(values) + "\n"


def asset(name: str) -> Markup:
    """Return a style sheet or a script, to lie inside the page."""
    return Markup(LOADER.get_source(TEMPLATES, name)[0])


def column_kinds(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the CSS class of each column: that of numbers, of long texts, or none."""
    return [_kind([row[column] for row in rows]) for column in range(len(columns))]


def _kind(texts: Sequence[str]) -> str:
    try:
        numbers = [float(text) for text in texts if text]
    except ValueError:
        return "long" if any(len(text) > LONG_TEXT for text in texts) else ""
    return "number" if numbers else ""


def chart_html(chart: Figure, name: str, least_width_px: int = 0) -> Markup:
    """Return a chart as HTML; its name is the id of its element, the only one in the page.

    On a screen narrower than `least_width_px` the chart is scrolled sideways; 0 lets it shrink with the page.
    """
    config = {"responsive": True, "displaylogo": False, "displayModeBar": False}
    drawn = chart.to_html(full_html=False, include_plotlyjs=False, config=config, div_id=name)
    if not least_width_px:
        return Markup(f'<div class="chart">{drawn}</div>')
    return Markup(f'<div class="scroll"><div class="chart" style="min-width:{least_width_px}px">{drawn}</div></div>')


def percent(share: float) -> str:
    """Return a share in percent, three digits of it."""
    return f"{100 * share:.3g}"


TEMPLATES.filters["percent"] = percent
TEMPLATES.globals.update(asset=asset, column_kinds=column_kinds)
