"""Owns `atlas.html`: one file that opens anywhere, offline, and shows what every code draws and means."""

from __future__ import annotations

import html
import json
from collections import Counter

import numpy as np

from results.atlas.recording import recording
from results.atlas.script import SCRIPT, STYLE
from results.atlas.svg import BAR, matrix, shape
from results.atlas.view import SHAPES_DRAWN_AS_LINES, AtlasView
from results.report.page import STYLE as REPORT_STYLE
from results.report.page import cards, section

SHOWN = 3  # sub-actions of a code's card
CHANNELS = 6  # of a recording that are not folded away
MOST_PANELS = 240  # channels of all recordings together; a panel is some 10 kB
COLUMN = 3  # least pixels of a code in the matrix
ORDERS = ("sub-action", "use", "sureness", "number")


def atlas_page(view: AtlasView) -> str:
    """The whole document."""
    title = html.escape(view.title)
    body = [
        f"<h1>{title}</h1>",
        f'<p class="subtitle">{html.escape(_subtitle(view))}</p>',
        cards(_figures(view)),
        section("Codes", _codes(view)),
        section("Codes and sub-actions", _matrix(view)),
        section("Recordings", _recordings(view)),
    ]
    facts = json.dumps(_facts(view), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<title>{title}</title>\n<style>{REPORT_STYLE}{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + f'\n</main>\n<div id="tip" hidden></div>\n<script type="application/json" id="data">{facts}</script>\n'
        f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _subtitle(view: AtlasView) -> str:
    c = view.atlas.configuration
    return f"{view.origin.rstrip('.')} · {view.atlas.dataset} · method {c.method}, quantizer {c.quantizer}"


def _figures(view: AtlasView) -> list[tuple[str, str]]:
    share = view.atlas.meaning.share[view.used]
    perplexity = float(np.exp(-(share * np.log(share)).sum()))
    return [
        (f"{len(view.used)} of {len(view.first)}", "codes in use"),
        (f"{perplexity:.1f}", "code perplexity"),
        (str(len(view.colours)), "sub-actions"),
        (str(len(view.atlas.channels)), "channels, fused" if view.fused else "channels"),
        (str(view.atlas.configuration.architecture.tokens), f"tokens per {'recording' if view.fused else 'channel'}"),
    ]


def _facts(view: AtlasView) -> dict[str, object]:
    """What the page's script knows; probabilities in hundredths."""
    m = view.atlas.meaning
    codes = []
    for j in view.used:
        hundredths = np.round(100 * m.distribution[j]).astype(int)
        of = Counter({name: int(n) for name, n in zip(m.classes, m.class_tokens[j], strict=True) if n})
        codes.append(
            {
                "c": j,
                "n": int(m.tokens[j]),
                "share": _percent(m.share[j]),
                "recordings": f"{m.recordings[j]:.1f}",
                "sure": round(float(m.sureness[j]), 4),
                "stray": round(float(m.stray[j]), 4),
                "q": [[k, int(hundredths[k])] for k in _likeliest(view, j)],
                "all": hundredths[view.rows].tolist(),
                "classes": [[name, _percent(n / m.tokens[j])] for name, n in of.most_common(4)],
            }
        )
    facts = {"codes": codes, "sub_actions": m.sub_actions, "rows": view.rows, "bar": BAR}
    return facts | {"extent": view.extent, "unit": view.unit}


def _percent(share: float) -> str:
    return f"{100 * share:.3g}"


def _likeliest(view: AtlasView, code: int) -> list[int]:
    return [int(k) for k in np.argsort(-view.atlas.meaning.distribution[code], kind="stable")[:SHOWN]]


def _codes(view: AtlasView) -> str:
    m = view.atlas.meaning
    drawn = []
    for k, members in view.groups:
        count = f"{len(members)} code{'s' * (len(members) > 1)}, {_percent(m.share[members].sum())} % of the tokens"
        drawn.append(
            f'<h3 data-k="{k}"><i style="background:{view.colours[k]}"></i>{html.escape(m.sub_actions[k])}'
            f"<span>{count}</span></h3>"
        )
        drawn += [_card(view, j) for j in members]
    buttons = "".join(
        f'<button type="button" data-by="{by}" aria-pressed="{str(by == ORDERS[0]).lower()}">{by}</button>'
        for by in ORDERS
    )
    options = "".join(f'<option value="{k}">{html.escape(m.sub_actions[k])}</option>' for k, _ in view.groups)
    return (
        f'<p class="note">{html.escape(_about_codes(view))}</p>'
        f'<div class="bar"><span>Sort by</span>{buttons}'
        f'<select id="only" aria-label="codes shown"><option value="">every sub-action</option>{options}</select></div>'
        f'<div class="codes" id="codes">{"".join(drawn)}</div>{_unused(view)}'
    )


def _about_codes(view: AtlasView) -> str:
    lines = ["A code's shape as the decoder draws it, mean 0 and deviation 1, all to one scale; a window stretches it."]
    if 1 < view.lanes <= SHAPES_DRAWN_AS_LINES:
        named = " · ".join(f"{n} {name}" for n, name in enumerate(view.atlas.channels, start=1))
        lines.append(f"One lane per channel: {named}.")
    elif view.fused:
        lines.append(f"One row per channel, {view.atlas.channels[0]} on top; blue below the mean, red above.")
    decoded = view.atlas.configuration.method == "action_decoder"
    source = (
        "as the action decoder reads them from the code" if decoded else "as the tokens that chose it say on average"
    )
    lines.append("Above a shape the number of the code and its part of all tokens of the training split;")
    lines.append(f"below, the likeliest sub-actions, {source}, and how sure that is:")
    lines.append("from 0, nothing is known, to 1, always the same and in many recordings.")
    return " ".join(lines)


def _card(view: AtlasView, code: int) -> str:
    m = view.atlas.meaning
    rows = []
    for k in _likeliest(view, code):
        p = float(m.distribution[code, k])
        rows.append(
            f'<li style="--c:{view.colours[k]}"><i style="width:{100 * p:.0f}%"></i>'
            f"<span>{html.escape(m.sub_actions[k])}</span><em>{p:.2f}</em></li>"
        )
    sure = float(m.sureness[code])
    return (
        f'<article class="code" id="code-{code}" data-c="{code}" style="--hue:{view.colours[view.first[code]]}">'
        f"<header><b>{code}</b><span>{_percent(m.share[code])} %</span></header>{shape(view, code)}"
        f"<ol>{''.join(rows)}</ol>"
        f'<footer>sure<u><i style="width:{100 * sure:.0f}%"></i></u>{sure:.2f}</footer></article>'
    )


def _unused(view: AtlasView) -> str:
    if not view.unused:
        return '<p class="note unused">Every code is in use.</p>'
    small = (
        f'<article class="code" id="code-{j}" data-c="{j}" style="--hue:#c6cbd3"><header><b>{j}</b></header>'
        f"{shape(view, j)}</article>"
        for j in view.unused
    )
    return (
        f'<details class="unused"><summary>{len(view.unused)} of {len(view.first)} codes are chosen by no token of the '
        f'training split</summary><div class="codes">{"".join(small)}</div></details>'
    )


def _matrix(view: AtlasView) -> str:
    names = view.atlas.meaning.sub_actions
    labels = "".join(f'<span title="{html.escape(names[k])}">{html.escape(names[k])}</span>' for k in view.rows)
    most = _percent(float(view.atlas.meaning.share.max()))
    height = 18 * (len(view.rows) + BAR)
    drawn = matrix(view).replace("<svg ", f'<svg style="height:{height}px;min-width:{COLUMN * len(view.used)}px" ', 1)
    return (
        '<p class="note">A column is a code in use, in the order chosen above; the darker a cell, the likelier the '
        f"sub-action. Bars are the use, the tallest {most} % of the tokens. Point at a cell to see the code.</p>"
        f'<div class="scroll"><div class="sheet"><div><span>use</span>{labels}</div>{drawn}</div></div>'
        '<p class="scale">probability 0 <i></i> 1</p>'
    )


def _recordings(view: AtlasView) -> str:
    examples = view.atlas.examples
    if not examples:
        return '<p class="note">None was asked for.</p>'
    shown = max(1, min(len(view.atlas.channels), MOST_PANELS // len(examples)))
    m, parts = view.atlas.meaning, []
    for example in examples:
        true, nearest = m.classes[example.y], m.classes[example.nearest]
        parts.append(
            f"<h3>{html.escape(true)}, recording {example.number}</h3>"
            f'<p class="note">True class {html.escape(true)}; nearest class text {html.escape(nearest)}; '
            f"stitch_fvu {example.stitch_fvu:.3f}.</p>"
        )
        first, rest = range(min(CHANNELS, shown)), range(CHANNELS, shown)
        parts.append(f'<div class="scroll">{recording(view, example, first, with_sub_actions=True)}</div>')
        if rest:
            more = recording(view, example, rest, with_sub_actions=False)
            parts.append(
                f'<details><summary>{len(rest)} more channels</summary><div class="scroll">{more}</div></details>'
            )
    return f'<p class="note">{html.escape(_about_recordings(view, shown))}</p>{KEY}{"".join(parts)}'


def _about_recordings(view: AtlasView, shown: int) -> str:
    channels = len(view.atlas.channels)
    left_out = f" The first {shown} of {channels} channels are drawn." if shown < channels else ""
    return (
        f"From the {view.atlas.validation} recordings of the validation split of {view.atlas.dataset}, of each class "
        "those at even ranks of stitch_fvu, the part of the variance that the shapes leave unexplained. Signals are "
        "normalised, each channel to mean 0 and deviation 1. Bars are the windows of the tokens with the numbers of "
        "their codes, in the colour of the likeliest sub-action. Below them the sub-actions over time, the mean over "
        "all windows at a time, full colour being the largest of a recording; in bold those that the text gives to "
        f"the true class.{left_out}"
    )


KEY = (
    '<p class="key"><span><i style="color:#6b7280"></i>signal</span>'
    '<span><i style="color:#d55e00"></i>rebuilt from the shapes</span></p>'
)
