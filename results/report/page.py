"""Owns the page around the report's charts: its design, its tables, its legend."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from results.charts.encoding import Encoding

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

STYLE = """
:root { color-scheme: light; --ink: #1f2937; --soft: #6b7280; --line: #e5e7eb; --paper: #f6f7f9; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.5; font-size: 15px;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { margin: 0; font-size: 28px; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h2 { margin: 0 0 8px; font-size: 18px; }
h3 { margin: 24px 0 4px; font-size: 15px; }
.subtitle { margin: 4px 0 20px; color: var(--soft); }
.cards { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(112px, 1fr)); }
.card, section { background: white; border: 1px solid var(--line); border-radius: 10px; }
.card { padding: 12px; }
.card b { display: block; font-size: 16px; font-variant-numeric: tabular-nums; white-space: nowrap; }
.card span, .note { color: var(--soft); font-size: 13.5px; }
section { margin-top: 20px; padding: 20px; min-width: 0; }
.note { margin: 0 0 10px; overflow-wrap: anywhere; }
.warning { margin: 14px 0 0; padding: 10px 14px; border-radius: 10px; background: #fff7e6;
  border: 1px solid #f3d9a4; overflow-wrap: anywhere; }
.chart { width: 100%; min-width: 0; overflow: hidden; }
.row { display: grid; gap: 8px 12px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 290px), 1fr)); }
.scroll { overflow: auto; max-height: 560px; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 7px 14px 7px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 500; position: sticky; top: 0; background: white; }
tr:last-child td { border-bottom: 0; }
td.number, th.number { text-align: right; }
td.long { white-space: normal; min-width: 220px; overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 28px; margin-top: 8px; font-size: 13px; }
.legend div { display: flex; flex-wrap: wrap; gap: 2px 12px; }
.legend b { font-weight: 600; }
pre { margin: 0; overflow-x: auto; font-size: 12.5px; line-height: 1.45; }
details { margin: 14px 0; }
summary { cursor: pointer; margin-bottom: 8px; }
@media (max-width: 600px) { main { padding: 20px 10px 40px; } section { padding: 14px 12px; } h1 { font-size: 23px; }
  .cards { grid-template-columns: repeat(auto-fit, minmax(104px, 1fr)); gap: 8px; } .card { padding: 10px; } }
"""
GLYPHS = ("●", "■", "▲", "◆", "▼", "✚")
KIND_STYLE = {"front": "", "dominated": "opacity:.4", "guard": "", "seed": "opacity:.5;font-size:60%"}
LONG_TEXT = 40


def page(title: str, subtitle: str, body: Sequence[str], reload_s: int | None = None) -> str:
    """Return the whole document, plotly.js inside; with `reload_s`, it loads itself again after so many seconds."""
    from plotly.offline import get_plotlyjs

    reload = f'<meta http-equiv="refresh" content="{reload_s}">\n' if reload_s else ""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{reload}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n"
        f"<script>{get_plotlyjs()}</script>\n</head>\n<body>\n<main>\n"
        f'<h1>{html.escape(title)}</h1>\n<p class="subtitle">{html.escape(subtitle)}</p>\n'
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def section(title: str, content: str) -> str:
    """Return a titled part of the page; the content is HTML."""
    return f"<section>\n<h2>{html.escape(title)}</h2>\n{content}\n</section>"


def note(text: str) -> str:
    """Return a line of explanation."""
    return f'<p class="note">{html.escape(text)}</p>'


def chart_html(chart: Figure, name: str, least_width_px: int = 0) -> str:
    """Return a chart as HTML.

    Args:
        chart: What to draw.
        name: Id of its element, the only one of that name in the page.
        least_width_px: On a narrower screen the chart is scrolled sideways; 0 lets it shrink with the page.
    """
    config = {"responsive": True, "displaylogo": False, "displayModeBar": False}
    drawn = chart.to_html(full_html=False, include_plotlyjs=False, config=config, div_id=name)
    if not least_width_px:
        return f'<div class="chart">{drawn}</div>'
    return f'<div class="scroll"><div class="chart" style="min-width:{least_width_px}px">{drawn}</div></div>'


def cards(counts: Sequence[tuple[str, str]]) -> str:
    """Return the key figures, each a value and what it counts."""
    items = (f'<div class="card"><b>{html.escape(v)}</b><span>{html.escape(k)}</span></div>' for v, k in counts)
    return f'<div class="cards">{"".join(items)}</div>'


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], emphasised: Sequence[str] = ()) -> str:
    """Return a table that scrolls sideways on a narrow screen; columns of numbers are set to the right."""
    kinds = [_kind([row[column] for row in rows]) for column in range(len(columns))]
    head = "".join(f'<th class="{kind}">{html.escape(c)}</th>' for c, kind in zip(columns, kinds, strict=True))
    lines = []
    for row in rows:
        cells = []
        for column, kind, text in zip(columns, kinds, row, strict=True):
            shown = f"<b>{html.escape(text)}</b>" if column in emphasised else html.escape(text)
            cells.append(f'<td class="{kind}">{shown}</td>')
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def legend(encoding: Encoding, kinds: Mapping[str, str], title: str) -> str:
    """Return what colours, markers and fillings mean.

    Args:
        encoding: Of the charts.
        kinds: Title of each verdict that occurs, and of seeds if they are drawn, to its name.
        title: What the kinds are kinds of.
    """
    groups = [
        (encoding.colour_title, [_entry("●", label, f"color:{c}") for label, c in encoding.colour_legend]),
        (encoding.marker_title, [_entry(GLYPHS[number], label) for label, number in encoding.marker_legend]),
        (
            title,
            [_entry("○" if kind == "guard" else "●", label, KIND_STYLE[kind]) for label, kind in kinds.items()],
        ),
    ]
    parts = (f"<div><b>{html.escape(heading)}</b>{''.join(entries)}</div>" for heading, entries in groups if entries)
    return f'<div class="legend">{"".join(parts)}</div>'


def colour_legend(entries: Sequence[tuple[str, str, str]]) -> str:
    """Return what colours mean: labels, their colours and their glyphs."""
    shown = "".join(_entry(glyph, label, f"color:{colour}") for label, colour, glyph in entries)
    return f'<div class="legend"><div>{shown}</div></div>'


def _entry(glyph: str, label: str, style: str = "") -> str:
    return f'<span><span style="{style}">{glyph}</span> {html.escape(label)}</span>'


def _kind(texts: Sequence[str]) -> str:
    """Tell a column of numbers and one of long texts from the others."""
    try:
        numbers = [float(text) for text in texts if text]
    except ValueError:
        return "long" if any(len(text) > LONG_TEXT for text in texts) else ""
    return "number" if numbers else ""
