"""Pictures of a merge, for screen and print: who is similar to whom, the tree with its cut, and who owns what.

Each is written as PNG and SVG and grows with the number of phrases, so that every phrase stays readable.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from model.sub_actions.cut import SubActions
from model.sub_actions.tree import MergeTree
from model.sub_actions.vocabulary import Vocabulary

INK, FAINT = "#1f2937", "#9ca3af"
COLOURS = ("#1d4ed8", "#b45309", "#047857", "#9d174d", "#6d28d9", "#0e7490", "#a16207", "#be123c")
SHARED, OWN = "#1d4ed8", "#f59e0b"
ROW_INCHES = 0.165  # of one phrase
LONGEST_LABEL = 60  # characters
DPI = 130
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 9.5,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.hashsalt": "merging",
}


def draw_similarity(tree: MergeTree, merged: SubActions, path: Path) -> None:
    """Draw the similarity of all different phrases in the order of the tree, a frame around each sub-action.

    Here and below, `path` names the files to write, without ending, and `merged` was cut from `tree`.
    """
    order = tree.leaf_order()
    count = len(order)
    side = count * ROW_INCHES

    def fill(axes: Axes) -> None:
        image = axes.imshow(
            tree.similarity[np.ix_(order, order)], cmap="Greys", vmin=0.0, vmax=1.0, interpolation="nearest"
        )
        for begin, end, name, colour in _blocks(tree, merged):
            corner, size = (begin - 0.5, begin - 0.5), end - begin
            axes.add_patch(Rectangle(corner, size, size, fill=False, edgecolor=colour, linewidth=1.4))
            middle = (begin + end - 1) / 2
            axes.annotate(
                _short(name), (count - 0.5, middle), (6, 0), textcoords="offset points", va="center", color=colour,
                fontweight="bold", annotation_clip=False, parse_math=False,
            )  # fmt: skip
        _label_phrases(axes, tree, order)
        axes.set_xticks([])
        axes.set_title(
            f"Cosine similarity of {count} phrases; frames and names at the right: {len(merged.names)} sub-actions"
        )
        bar = axes.figure.colorbar(image, ax=axes, location="bottom", shrink=min(0.5, 4.0 / side), aspect=35, pad=0.01)
        bar.set_label("similarity")

    _draw(fill, (max(side, 3.0) + 6.5, max(side, 2.0) + 1.3), path)


def draw_dendrogram(tree: MergeTree, merged: SubActions, path: Path) -> None:
    """Draw the tree of merges with the cut, each sub-action of several phrases in a colour."""
    order = tree.leaf_order()
    done = len(order) - len(merged.names)
    colour_of = {order[i]: colour for begin, end, _, colour in _blocks(tree, merged) for i in range(begin, end)}

    def fill(axes: Axes) -> None:
        branches = _branches(tree, order)
        made, others = branches[:done], branches[done:]
        allowed = [branch for branch, step in zip(others, tree.steps[done:], strict=True) if step.allowed]
        colours = [colour_of[tree.members(step.left)[0]] for step in tree.steps[:done]]
        axes.add_collection(LineCollection(made, colors=colours, linewidths=1.6))
        axes.add_collection(LineCollection(allowed, colors=FAINT, linewidths=1.0))
        axes.add_collection(LineCollection(others[len(allowed) :], colors=FAINT, linewidths=1.0, linestyles="dotted"))
        cut = _cut(tree, done)
        axes.axvline(cut, color=INK, linewidth=1.0, linestyle="--")
        axes.set_xlim(1.02, min([cut, *(corners[1][0] for corners in branches)]) - 0.03)
        axes.set_ylim(len(order) - 0.5, -0.5)
        _label_phrases(axes, tree, order, colour_of)
        axes.set_xlabel(f"similarity at which groups become one ({tree.linkage} linkage)")
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.set_title(f"{len(order)} phrases, {len(merged.names)} sub-actions; grey phrases are one by themselves")
        _explain_lines(axes, len(others) > len(allowed))

    _draw(fill, (9.0, max(len(order) * ROW_INCHES, 2.0) + 1.3), path)


def draw_ownership(vocabulary: Vocabulary, merged: SubActions, path: Path) -> None:
    """Draw which class owns which sub-action, and with how many of its phrases; shared ones first."""
    used = np.zeros(merged.owned.shape, dtype=np.int64)
    np.add.at(used, (merged.class_of, merged.cluster), 1)
    owners = merged.owned.sum(axis=0)
    first = merged.owned.argmax(axis=0)
    order = sorted(range(len(merged.names)), key=lambda k: (owners[k] == 1, -owners[k], first[k], merged.names[k]))
    classes = len(merged.class_names)

    def fill(axes: Axes) -> None:
        for position, index in enumerate(order):
            colour = SHARED if owners[index] > 1 else OWN
            if position % 2 == 0:
                axes.axhspan(position - 0.5, position + 0.5, color="#f3f4f6", linewidth=0, zorder=0)
            for c in np.flatnonzero(merged.owned[:, index]):
                axes.add_patch(Rectangle((c - 0.46, position - 0.42), 0.92, 0.84, color=colour, linewidth=0))
                ink = "white" if owners[index] > 1 else INK
                axes.text(c, position, str(used[c, index]), ha="center", va="center", color=ink, fontsize=7)
        shared = int((owners > 1).sum())
        axes.axhline(shared - 0.5, color=FAINT, linewidth=0.8)
        axes.set_xlim(-0.5, classes - 0.5)
        axes.set_ylim(len(order) - 0.5, -0.5)
        axes.set_yticks(range(len(order)), [_short(merged.names[k]) for k in order], parse_math=False)
        axes.xaxis.tick_top()
        titles = [_short(vocabulary.title(name)) for name in merged.class_names]
        axes.set_xticks(range(classes), titles, rotation=45, ha="left", rotation_mode="anchor", parse_math=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        handles = [
            Patch(color=SHARED, label=f"shared by several classes ({shared})"),
            Patch(color=OWN, label=f"of one class alone ({len(order) - shared})"),
            Patch(color="none", label="figures: how many phrases of the class"),
        ]
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, -0.01), ncols=1, frameon=False)

    longest = max(len(_short(merged.names[k])) for k in order)
    _draw(fill, (longest * 0.075 + max(classes * 0.42, 2.4) + 1.0, len(order) * 0.2 + 2.0), path)


def _blocks(tree: MergeTree, merged: SubActions) -> list[tuple[int, int, str, str]]:
    """Return where each sub-action begins and ends in the tree's order, its name, and a colour unlike those beside."""
    where = dict(zip(merged.phrases, merged.cluster, strict=True))
    clusters = [where[tree.phrases[leaf]] for leaf in tree.leaf_order()]
    edges = [0, *(i for i in range(1, len(clusters)) if clusters[i] != clusters[i - 1]), len(clusters)]
    blocks, used = [], 0
    for begin, end in pairwise(edges):
        colour = COLOURS[used % len(COLOURS)] if end - begin > 1 else FAINT
        used += end - begin > 1
        blocks.append((begin, end, merged.names[clusters[begin]], colour))
    return blocks


def _branches(tree: MergeTree, order: list[int]) -> list[list[tuple[float, float]]]:
    """Return the corners of each merge: similarity and row of either side; never more similar than what it joins."""
    row = {leaf: float(position) for position, leaf in enumerate(order)}
    at = dict.fromkeys(order, 1.0)
    branches = []
    for index, (left, right, distance, _) in enumerate(tree.steps):
        similarity = min(1.0 - distance, at[left], at[right])
        ends = [(at[left], row[left]), (at[right], row[right])]
        branches.append([ends[0], (similarity, row[left]), (similarity, row[right]), ends[1]])
        at[len(order) + index], row[len(order) + index] = similarity, (row[left] + row[right]) / 2
    return branches


def _cut(tree: MergeTree, done: int) -> float:
    """Return a similarity between that of the last merge made and that of the first one not made."""
    made = tree.steps[done - 1].distance if done else 0.0
    following = tree.steps[done].distance if done < len(tree.steps) else made + 0.1
    return 1.0 - (made + max(following, made)) / 2


def _label_phrases(axes: Axes, tree: MergeTree, order: list[int], colour_of: dict[int, str] | None = None) -> None:
    axes.set_yticks(range(len(order)), [_short(tree.phrases[i]) for i in order], parse_math=False)
    axes.tick_params(axis="y", length=0)
    if colour_of is not None:
        for label, leaf in zip(axes.get_yticklabels(), order, strict=True):
            label.set_color(colour_of[leaf] if colour_of[leaf] != FAINT else "#6b7280")


def _explain_lines(axes: Axes, opposites: bool) -> None:
    handles = [
        Line2D([], [], color=COLOURS[0], linewidth=1.6, label="merged, a colour for each sub-action"),
        Line2D([], [], color=FAINT, label="not merged"),
        Line2D([], [], color=INK, linestyle="--", label="cut"),
    ]
    if opposites:
        handles.insert(2, Line2D([], [], color=FAINT, linestyle="dotted", label="would put opposites together"))
    axes.figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"


def _draw(fill: Callable[[Axes], None], size: tuple[float, float], path: Path) -> None:
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # letters that the font lacks become boxes
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        fill(figure.subplots())
        for ending, metadata in (("png", {"Software": ""}), ("svg", {"Date": None})):
            figure.savefig(path.with_suffix(f".{ending}"), dpi=DPI, metadata=metadata)
