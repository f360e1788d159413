"""What a trial prints, from Python and from below, lands in its file and nowhere else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from search.worker import printed
from search.worker.printed import Printed


def test_what_is_printed_is_kept_and_appended_by_the_next_worker(tmp_path: Path) -> None:
    script = """if True:
        import os, pathlib, sys
        from search.worker.printed import Printed
        for worker in (1, 2):
            with Printed(pathlib.Path(sys.argv[1]), 3):
                print("worker", worker, flush=True)
                os.write(2, b"from C\\n")
                print("at the end")
        print("outside")
    """
    done = subprocess.run(  # pytest has a stdout of its own
        [sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("outside\n", "")
    lines = (tmp_path / "trials/3/log.txt").read_text().splitlines()
    assert lines == ["worker 1", "from C", "at the end", "worker 2", "from C", "at the end"]


def test_a_full_disk_leaves_stdout_as_it_was(tmp_path: Path) -> None:
    script = """if True:
        import os, pathlib, sys
        from search.worker.printed import Printed
        sys.stdout.reconfigure(line_buffering=True)
        folder = pathlib.Path(sys.argv[1]) / "trials/3"
        folder.mkdir(parents=True)
        (folder / "log.txt").symlink_to("/dev/full")
        try:
            with Printed(pathlib.Path(sys.argv[1]), 3) as kept:
                kept.bound()
                print("no room")
        except OSError as error:
            os.write(1, error.strerror.encode())
    """
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout.startswith("No space left on device")


def test_a_trial_that_prints_nothing_has_no_file(tmp_path: Path) -> None:
    with Printed(tmp_path, 3):
        pass
    assert list((tmp_path / "trials/3").iterdir()) == []


def test_what_is_too_much_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printed, "MOST_BYTES", 100)
    with Printed(tmp_path, 3) as kept:
        os.write(1, b"x" * 101)
        kept.bound()
        os.write(1, b"the end\n")
        kept.bound()
    kept.bound()
    assert (tmp_path / "trials/3/log.txt").read_text() == printed.LEFT_OUT + "the end\n"


def test_where_no_file_can_be_the_trial_runs_all_the_same(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "trials").touch()
    with Printed(tmp_path, 3) as kept:
        os.write(1, b"heard\n")
        kept.bound()
    assert capfd.readouterr().out == "heard\n"


def test_a_trial_that_raises_has_stdout_put_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError, match="it"), Printed(tmp_path, 3):
        raise KeyError("it")
    os.write(1, b"outside\n")
    assert capfd.readouterr().out == "outside\n"
