import os
import subprocess
import sys

from search.watch.terminal import Terminal

SAY_MUCH = """
import logging, sys
from pathlib import Path
from rich.console import Console
from search.watch.terminal import output_to_log, say
say("loading")
with output_to_log(Path(sys.argv[1])) as terminal:
    for _ in range(2000):
        terminal.write("a line that is long enough to fill a pipe\\n")
        Console(file=terminal).print("a table")
    Path(sys.argv[2]).write_text("done")
say("the end")
"""


def test_a_reader_that_goes_away_costs_what_is_said_and_nothing_else(tmp_path):
    log, done = tmp_path / "log.txt", tmp_path / "done"
    command = f'{sys.executable} -c "$0" {log} {done} | head -1; exit ${{PIPESTATUS[0]}}'
    ended = subprocess.run(["bash", "-c", command, SAY_MUCH], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "loading\n", "")
    assert done.read_text() == "done"
    assert log.read_text().count("the terminal has gone away") == 1


def test_a_character_that_a_terminal_cannot_show_is_written_as_its_code():
    reader, writer = os.pipe()
    terminal = Terminal(writer)
    terminal.write("x\udc80\n")
    terminal.close()
    with os.fdopen(reader) as pipe:
        assert pipe.read() == "x\\udc80\n"


def test_a_command_without_output_ends_as_with_one(tmp_path):
    command = f"{sys.executable} -m results {tmp_path} >&-"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
