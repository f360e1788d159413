"""A report that follows a run: who is taken for a search at work, and when the page is drawn."""

import fcntl
import shutil
import threading

import pytest

from results.__main__ import main
from results.live import follow
from results.records.lock import is_searched


def test_a_run_without_a_search_is_drawn_once(maker, capsys):
    folder = maker.write(maker.trade(4))
    assert main([str(folder), "--live"]) == 0
    assert "4 trials ended" in capsys.readouterr().out
    page = (folder / "report.html").read_text()
    assert 'id="live"' not in page
    assert not (folder / "best").exists()


@pytest.mark.slow
def test_the_page_follows_the_trials_until_the_search_ends(maker, tmp_path):
    folder = maker.write(maker.trade(4))
    later = maker.write(maker.trade(6), "later")
    said, drawn = [], threading.Event()

    def say(line):
        said.append((line, 'id="live"' in (folder / "report.html").read_text()))
        drawn.set()

    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert is_searched(folder)
        follower = threading.Thread(target=follow, args=(folder, say, 0.05), daemon=True)
        follower.start()
        assert drawn.wait(60)
        drawn.clear()
        shutil.copy(later / "trials.csv", folder / "trials.csv")
        assert drawn.wait(60)
    follower.join(60)
    assert not follower.is_alive()
    assert [("4 trials" in line, reloads) for line, reloads in said[:1]] == [(True, True)]
    assert "6 trials" in said[1][0]
    assert said[1][1]
    assert "this page is the last" in said[-1][0]
    assert not said[-1][1]


def test_what_live_cannot_follow_is_said(maker, capsys, tmp_path):
    folder = maker.write(maker.trade(2))
    assert main([str(folder), str(folder), "--live"]) == 2
    assert "--live follows one run" in capsys.readouterr().err
    assert main([str(tmp_path / "nowhere"), "--live"]) == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("made", [True, False])
def test_a_lock_that_nobody_holds_is_no_search(tmp_path, made):
    if made:
        (tmp_path / ".lock").touch()
    assert not is_searched(tmp_path)
