"""Tables as LaTeX: escaped, short, and aligned."""

import math

import pandas as pd
import pytest

from results.export.latex import escape, latex_table, write_table


def test_a_table():
    frame = pd.DataFrame(
        {"name_1": ["a&b", "50 %"], "x": [0.123456, -2.0], "n": [3, math.nan], "tiny": [1e-7, 2.5e-12]}
    )
    text = latex_table(frame, "what\nit shows")
    assert text.splitlines() == [
        "% what it shows",
        r"% Needs \usepackage{booktabs}; with pdfLaTeX also \usepackage[utf8]{inputenc} for letters beyond ASCII.",
        r"\begin{tabular}{lrrr}",
        r"\toprule",
        r"name\_1 & x & n & tiny \\",
        r"\midrule",
        r"a\&b & 0.1235 & 3 & $1 \times 10^{-7}$ \\",
        r"50 \% & $-$2 &  & $2.5 \times 10^{-12}$ \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b^c~d", r"a\_b\textasciicircum{}c\textasciitilde{}d"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("$5 #1", r"\$5 \#1"),
        ("stitch_fvu < 1", r"stitch\_fvu \textless{} 1"),
        ("8–16", "8--16"),
        ("plain", "plain"),
    ],
)
def test_escapes(text, expected):
    assert escape(text) == expected


def test_a_row_that_begins_with_a_bracket_is_no_argument_of_the_row_break():
    assert "\n{}[1, 2] & " in latex_table(pd.DataFrame({"a": ["[1, 2]"], "b": ["c"]}), "")


def test_the_csv_is_exact(tmp_path):
    frame = pd.DataFrame({"x": [1 / 3, math.nan], "y": ["a,b", ""]})
    csv, tex = write_table(frame, tmp_path, "table", "thirds")
    assert csv.read_text() == f'x,y\n{1 / 3!r},"a,b"\n,\n'
    assert "0.3333 & a,b" in tex.read_text()
