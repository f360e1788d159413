"""Render the pages of the report and of the atlas from their templates: each one file that opens anywhere, offline."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LONG_TEXT = 40
LOADER = PackageLoader("results", "")
TEMPLATES = Environment(loader=LOADER, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)


class Chart(NamedTuple):
    """A chart of a page.

    Attributes:
        name: The id of its element, the only one in the page.
        figure: What is drawn.
        says: What it shows, in words, for those who do not see it.
        least_width_px: On a narrower screen the chart is scrolled sideways; 0 lets it shrink with the page.
    """

    name: str
    figure: Figure
    says: str
    least_width_px: int = 0


def render(template: str, **values: Any) -> str:
    """Return the page that a template, named from the package's folder, makes of values."""
    return TEMPLATES.get_template(template).render(values) + "\n"


def asset(name: str) -> Markup:
    """Return a style sheet or a script, to lie inside the page."""
    return Markup(LOADER.get_source(TEMPLATES, name)[0])


def packed(text: str) -> str:
    """Return a text as a page holds it: with gzip, in base64; the same text gives the same letters."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


@lru_cache(maxsize=1)
def packed_plotly() -> str:
    """Return plotly.js, packed: 4.8 MB become 2.0 MB."""
    from plotly.offline import get_plotlyjs

    return packed(get_plotlyjs())


def page_data(charts: Sequence[Chart], **more: Any) -> str:
    """Return what the page's script reads: the figures of the charts by their names, and whatever else, packed."""
    figures = {chart.name: json.loads(chart.figure.to_json(validate=False)) for chart in charts}
    return packed(json.dumps({"charts": figures, **more}, separators=(",", ":"), ensure_ascii=False, allow_nan=False))


def column_kinds(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the CSS class of each column: that of numbers, of long texts, or none."""
    return [_kind([row[column] for row in rows]) for column in range(len(columns))]


def _kind(texts: Sequence[str]) -> str:
    try:
        numbers = [float(text) for text in texts if text]
    except ValueError:
        return "long" if any(len(text) > LONG_TEXT for text in texts) else ""
    return "number" if numbers else ""


def percent(share: float) -> str:
    """Return a share in percent, three digits of it."""
    return f"{100 * share:.3g}"


def slug(title: str) -> str:
    """Return the id of a section."""
    return re.sub(r"\W+", "-", title.lower()).strip("-")


TEMPLATES.filters.update(percent=percent, slug=slug)
TEMPLATES.globals.update(asset=asset, column_kinds=column_kinds)
