"""Work in another process: the same as in this one, and no worse where that process fails."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from results import aggregate, rebuild
from results.beside import Beside
from results.charts.print import files as print_figures


def process_of(wanted: int) -> int:
    """Return this process, but die by a signal where it is another one than `wanted`."""
    if os.getpid() != wanted:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def test_it_works_in_another_process() -> None:
    with Beside(True, os.getpid) as other, Beside(False, os.getpid) as here:
        assert other.result() != os.getpid()
        assert here.result() == os.getpid()


def test_a_process_that_dies_is_made_up_for_here(caplog) -> None:
    with Beside(True, process_of, os.getpid()) as other:
        assert other.result() == os.getpid()
    assert f"process_of in another process: exit code {-signal.SIGKILL}" in caplog.text


def test_where_there_is_no_room_for_its_arguments_it_is_done_here(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with Beside(True, os.getpid) as other:
        assert other.result() == os.getpid()


def test_an_error_is_raised_here() -> None:
    with Beside(True, os.listdir, "no such folder") as other, pytest.raises(FileNotFoundError):
        other.result()


def test_leaving_ends_it() -> None:
    began = time.monotonic()
    with Beside(True, time.sleep, 600):
        pass
    assert time.monotonic() - began < 60


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_large_run_is_drawn_beside_its_report_to_the_same_bytes(maker, all_figures, monkeypatch) -> None:
    rows = maker.trade(30)
    folder = maker.write(rows)
    rebuild(folder)
    one = contents(folder)
    for written in ("figures", "fronts"):
        shutil.rmtree(folder / written)
    monkeypatch.setattr(aggregate, "MANY_TRIALS", len(rows))
    monkeypatch.setattr(print_figures, "write_others", None)  # here; the other process has its own
    made = rebuild(folder)
    assert contents(folder) == one
    assert {path.parent.name for path in made.paths} >= {"figures", "fronts"}


def runs(process: str) -> bool:
    try:
        return bool(Path("/proc", process, "cmdline").read_bytes())  # empty once it has ended, whoever has to reap it
    except OSError:
        return False


def test_it_ends_with_who_asked() -> None:
    asker = (
        "import os, sys, time; from results.beside import Beside\n"
        "with Beside(True, time.sleep, 600) as other:\n"
        "    print(other._process.pid, other._folder, flush=True); other.result()"
    )
    with subprocess.Popen([sys.executable, "-c", asker], stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        process, folder = asking.stdout.readline().split()
        asking.kill()
    deadline = time.monotonic() + 60
    while runs(process) or Path(folder).exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
