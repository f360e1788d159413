"""Tables for papers: booktabs rules, everything escaped, numbers short and set to the right."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from results.records.files import frame_text, write_atomically
from results.records.text import short

ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",  # \\textquotedbl needs another font encoding than LaTeX's own
    "–": "--",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "±": r"$\pm$",
    "μ": r"$\mu$",
    "σ": r"$\sigma$",
    "ε": r"$\varepsilon$",
    "·": r"$\cdot$",
}
NUMBER = re.compile(r"(-?)(\d+(?:\.\d+)?)(?:e([+-]\d+))?")


def write_table(frame: pd.DataFrame, folder: Path, stem: str, note: str) -> tuple[Path, Path]:
    """Write a table as CSV, exactly, and as LaTeX, to be read, into a folder that exists; return the two files.

    The note says what the table shows, in one line; it is a comment in the LaTeX file.
    """
    csv, tex = folder / f"{stem}.csv", folder / f"{stem}.tex"
    write_atomically(csv, frame_text(frame))
    write_atomically(tex, latex_table(frame, note))
    return csv, tex


def latex_table(frame: pd.DataFrame, note: str) -> str:
    """Return a table as a `tabular` with booktabs rules."""
    numeric = [all(_is_number(value) for value in frame[name]) for name in frame.columns]
    lines = [
        f"% {' '.join(note.split())}",
        r"% Needs \usepackage{booktabs}; with pdfLaTeX also \usepackage[utf8]{inputenc} for letters beyond ASCII.",
        rf"\begin{{tabular}}{{{''.join('r' if number else 'l' for number in numeric)}}}",
        r"\toprule",
        _row([escape(str(name)) for name in frame.columns]),
        r"\midrule",
        *(_row([_cell(value) for value in row]) for row in frame.itertuples(index=False, name=None)),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Return a text that LaTeX sets as it is."""
    return "".join(ESCAPES.get(character, character) for character in text)


def _row(cells: list[str]) -> str:
    text = " & ".join(cells)
    # A row that begins with a bracket would be read as the argument of the row break before it.
    return ("{}" if text.startswith("[") else "") + text + r" \\"


def _is_number(value: object) -> bool:
    return value is pd.NA or (hasattr(value, "__float__") and not isinstance(value, bool | str))


def _cell(value: object) -> str:
    text = short(value)
    found = NUMBER.fullmatch(text)
    if not found:
        return escape(text)
    sign, digits, exponent = found.groups()
    if exponent:
        return rf"${sign}{digits} \times 10^{{{int(exponent)}}}$"
    return f"$-${digits}" if sign else digits
