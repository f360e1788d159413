"""Whatever a run folder holds, it is read or refused in a line, and nothing outside of it is touched.

More folders: `python -m tests.damaged_runs 1000 3000`.
"""

import os

import pytest
from damaged_runs import sound_runs, try_seed, victims

FOLDERS = 120


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stranger")
    victims(folder / "outside")
    return folder


@pytest.fixture(scope="module")
def sounds(work):
    return sound_runs(work / "sound")


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, FOLDERS, 20))
def test_any_run_folder_is_read_or_refused_in_a_line(work, sounds, first):
    assert [found for seed in range(first, first + 20) if (found := try_seed(seed, sounds, work))] == []


def test_what_is_touched_outside_is_seen(work, sounds, monkeypatch):
    victim = work / "outside/victim.txt"
    for touch in (victim.unlink, lambda: victim.write_text("other"), lambda: os.utime(victim, (1, 1)), victim.touch):
        monkeypatch.setattr("damaged_runs.attempt", lambda *_, touch=touch: touch())
        case, trouble = try_seed(0, sounds, work)
        assert case.startswith("seed 0, ")
        assert "touched outside: " in trouble
    monkeypatch.setattr("damaged_runs.attempt", lambda *_: 1 / 0)
    assert "ZeroDivisionError" in try_seed(0, sounds, work)[1]
