"""Render `atlas.html`: one file that opens anywhere, offline, and shows what every code draws and means."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
from markupsafe import Markup

from results.atlas.palette import ink_on
from results.atlas.svg import BAR, matrix, recording, shape, short
from results.atlas.view import AtlasView, carried
from results.report.page import percent, render

CHANNELS = 6  # of a recording that are not folded away
MOST_PANELS = 240  # channels of all recordings together; a panel is some 10 kB


def atlas_page(view: AtlasView) -> str:
    """Return the whole document."""
    channels, examples = len(view.atlas.channels), len(view.atlas.examples)
    facts = json.dumps(_facts(view), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return render(
        "atlas/page.html.j2",
        view=view,
        configuration=view.atlas.configuration,
        figures=_figures(view),
        facts=Markup(facts),
        folded_from=CHANNELS,
        drawn_channels=max(1, min(channels, MOST_PANELS // max(examples, 1))),
        carried=carried,
        ink_on=ink_on,
        shape=shape,
        short=short,
        matrix=matrix,
        recording=recording,
    )


def _figures(view: AtlasView) -> list[tuple[str, str]]:
    share, told_apart = view.atlas.meaning.share[view.used], str(len(view.colours))
    if view.alternatives:
        told_apart += f" of {view.atlas.configuration.num_sub_actions}"
    perplexity = float(np.exp(-(share * np.log(share)).sum()))
    return [
        (f"{len(view.used)} of {len(view.first)}", "codes in use"),
        (f"{perplexity:.1f}", "code perplexity"),
        (told_apart, "sub-actions told apart" if view.alternatives else "sub-actions"),
        (str(len(view.atlas.channels)), "channels, fused" if view.fused else "channels"),
        (str(view.atlas.configuration.architecture.tokens), f"tokens per {'recording' if view.fused else 'channel'}"),
    ]


def _facts(view: AtlasView) -> dict[str, object]:
    """Return what the page's script knows; probabilities in hundredths."""
    m = view.atlas.meaning
    codes = []
    for j in view.used:
        hundredths = np.round(100 * m.distribution[j]).astype(int)
        of = Counter({name: int(n) for name, n in zip(m.classes, m.class_tokens[j], strict=True) if n})
        codes.append(
            {
                "c": j,
                "n": int(m.tokens[j]),
                "share": percent(m.share[j]),
                "recordings": f"{m.recordings[j]:.1f}",
                "sure": round(float(m.confidence[j]), 4),
                "stray": round(float(m.mean_kl[j]), 4),
                "q": [[k, int(hundredths[k])] for k in view.likeliest(j)],
                "all": hundredths[view.rows].tolist(),
                "classes": [[name, percent(n / m.tokens[j])] for name, n in of.most_common(4)],
            }
        )
    facts = {"codes": codes, "sub_actions": m.sub_actions, "letters": view.letters, "rows": view.rows, "bar": BAR}
    return facts | {"extent": view.extent, "unit": view.unit}
