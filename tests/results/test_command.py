"""What a value says is printed as it says it, whatever a terminal or a library would make of it."""

import io

import pytest
from rich.progress import Progress, TextColumn
from rich.table import Table

import model.command
import results.command
from results import rebuild
from results.__main__ import main
from results.pick import main as pick
from results.records.text import printing, short
from results.verify.__main__ import main as verify

TEXTS = ["[mean,std]", "[/x]", "[red]", "[bold red]a[/]", "[link=https://a.b]c[/link]", ":smile:", "\\\\[red]"]
POINTS = [[0.2, 0.9], [0.3, 0.3], [0.9, 0.2], [0.95, 0.95]]


@pytest.mark.parametrize("console", [results.command.console, model.command.console])
@pytest.mark.parametrize("text", TEXTS)
def test_a_console_prints_every_text_as_it_is(console, text):
    stream = io.StringIO()
    screen = console(stream)
    screen.print(text)
    screen.print(text, style="bold")
    table = Table(title=text)
    table.add_column(text)
    table.add_row(text)
    screen.print(table)
    with Progress(TextColumn("{task.description}", markup=False), console=screen) as progress:
        progress.add_task(text)
    assert stream.getvalue().count(text) == 6


def written(maker, text):
    """A run whose every text is the same, as far as it may be."""
    parameters = {"kind": {"type": "choice", "values": [text, "b"]}, text: {"type": "choice", "values": [text]}}
    parameters["action_weight"] = {"type": "float", "low": 0.05, "high": 0.95}
    rows = maker.rows(POINTS, **{"kind": text, text: text})
    for row in rows:
        for name in ("codebook_size", "num_sub_actions", "method"):
            del row[name]
        row["stitch" + text] = row.pop("stitch_fvu")
    objectives = [
        {"metric": "stitch" + text, "name": "recon", "reference": 1.0, "unit": text},
        {"metric": "action_kl_ratio", "name": "kl", "reference": 1.0},
    ]
    folder = maker.write(rows, parameters=parameters, objectives=objectives, guards={"stitch" + text: {"below": 1.0}})
    rebuild(folder, figures=False)
    return folder


@pytest.mark.parametrize("text", TEXTS)
def test_pick_prints_values_and_names_as_they_are(maker, capsys, text):
    folder = written(maker, text)
    assert pick([str(folder)]) == 0
    assert f"stitch{text}" in capsys.readouterr().out
    assert pick([str(folder), "--at-most", f"stitch{text}=0.4", "--minimise", "action_kl_ratio"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["kind", *text.split()] in lines
    assert [*text.split(), *text.split()] in lines
    assert [f"stitch{text.split()[0]}", *text.split()[1:], "0.3"] in lines


def test_verify_and_the_front_print_names_as_they_are(maker, capsys):
    folder = written(maker, "[/x]")
    assert verify([str(folder / "best/knee")]) in (1, 2)
    capsys.readouterr()
    (folder / "front.csv").write_text("")
    assert verify([str(folder / "best/knee")]) == 1
    assert "'stitch[/x]'" in capsys.readouterr().err


@pytest.mark.slow
def test_the_front_is_printed_as_it_is(maker, capsys):
    assert main([str(written(maker, "[/x]"))]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "stitch[/x]" in out
    assert "[/x]" in out.splitlines()[2].split()


def test_what_does_not_print_is_escaped(maker, capsys):
    assert printing("a\x1b[31m\x9b") == "a\\x1b[31m\\x9b"
    assert short("\x1b[31mé") == "\\x1b[31mé"
    folder = maker.write(maker.rows(POINTS))
    table = folder / "trials.csv"
    table.write_text(table.read_text().replace("\n0,finished", "\n0,\x1b[31m").replace("action_decoder", "\x1b[2J"))
    assert pick([str(folder), "--maximise", "stitch_fvu"]) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "\\x1b[2J" in out + err
