import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyarrow.fs import _MockFileSystem

from search.record.mirror import Mirror, MirrorError
from search.run import main


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with a trial that has ended and one under way."""
    folder = tmp_path / "run"
    for name in ("trials/0/model.safetensors", "trials/1/unfinished/3/state", "ray/tune/events", ".lock", "trials.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def mirrored(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def test_what_has_ended_is_copied_and_only_what_has_changed_is_copied_again(run, tmp_path):
    there = tmp_path / "there"
    mirror = Mirror(run, f"file://{there}")
    assert mirror.copy() == 2
    assert mirrored(there) == {"trials/0/model.safetensors", "trials.csv"}
    assert mirror.copy() == 0
    (run / "trials.csv").write_text("another row")
    assert mirror.copy() == 1
    assert (there / "trials.csv").read_text() == "another row"


def test_the_last_changes_are_copied_at_the_end_and_others_while_the_run_goes_on(run, tmp_path):
    there = tmp_path / "there"
    with Mirror(run, f"file://{there}", every_s=0.01):
        while not (there / "trials.csv").exists():
            pass
        (run / "report.html").write_text("report")
    assert (there / "report.html").read_text() == "report"


def test_models_are_there_before_the_rows_that_name_them(run):
    files = [file.name for file, _ in Mirror(run, "copy", _MockFileSystem())._changed()]
    assert files == ["model.safetensors", "trials.csv"]


class Failing:
    """A file system that loses its connection."""

    def __init__(self):
        self.works, self.inner = False, _MockFileSystem()

    def create_dir(self, *place, **how):
        self.inner.create_dir(*place, **how)

    def open_output_stream(self, place):
        if not self.works:
            raise OSError("AWS Error NETWORK_CONNECTION\nduring PutObject")
        return self.inner.open_output_stream(place)


def test_trouble_is_noted_and_what_was_missed_is_copied_later(run):
    there = Failing()
    mirror = Mirror(run, "bucket/run", there)
    assert mirror.copy() == 0
    assert mirror.trouble == "bucket/run: trials/0/model.safetensors: AWS Error NETWORK_CONNECTION during PutObject"
    there.works = True
    assert mirror.copy() == 2
    assert mirror.trouble == ""
    assert there.inner.get_file_info("bucket/run/trials.csv").size == len("trials.csv")


def test_a_mirror_that_fails_and_works_again_is_told_of_twice(run):
    there, said = Failing(), []
    mirror = Mirror(run, "bucket/run", there)
    mirror.notice = said.append
    mirror.copy()
    mirror.copy()
    there.works = True
    mirror.copy()
    mirror.copy()
    assert [text.split(":")[1].split(";")[0].strip() for text in said] == ["bucket/run", "bucket/run works again"]


def test_copying_goes_on_while_checkpoints_come_and_go(run, tmp_path):
    """The folder changes under every look, in another process; not one look fails."""
    program = """
import shutil, sys, pathlib
place = pathlib.Path(sys.argv[1])
while True:
    for number in range(50):
        (place / f".draft-{number}" / "deep").mkdir(parents=True, exist_ok=True)
        (place / f"gone-{number}" / "deep").mkdir(parents=True, exist_ok=True)
    for number in range(50):
        shutil.rmtree(place / f".draft-{number}")
        shutil.rmtree(place / f"gone-{number}")
"""
    churn = subprocess.Popen([sys.executable, "-c", program, str(run / "trials")])
    try:
        mirror = Mirror(run, f"file://{tmp_path / 'there'}")
        for number in range(100):
            (run / "trials.csv").write_text(f"{number}")
            mirror.copy()
            assert (tmp_path / "there/trials.csv").read_text() == f"{number}"
    finally:
        churn.kill()
        churn.wait()


def test_whatever_a_file_system_raises_the_copying_goes_on(run, tmp_path):
    class Broken(Failing):
        def open_output_stream(self, place):
            if not self.works:
                raise RuntimeError("no credentials")
            return self.inner.open_output_stream(place)

    there = Broken()
    with Mirror(run, "bucket/run", there, every_s=0.01) as mirror:
        while not mirror.trouble:
            pass
        there.works = True
        while mirror.trouble:
            pass
    assert there.inner.get_file_info("bucket/run/trials.csv").size > 0


def test_the_place_of_another_run_is_refused_and_ones_own_is_gone_on_with(run, tmp_path):
    (run / "space.yaml").write_text("provenance: {created: '2026-01-02'}")
    url = f"file://{tmp_path / 'there'}"
    Mirror(run, url).check("")
    assert Mirror(run, url).copy() == 3
    with pytest.raises(MirrorError, match=r"there: holds another run, begun 2026-01-02; give a place that is empty"):
        Mirror(run, url).check("")
    again = Mirror(run, url)
    again.check("2026-01-02")
    assert again.copy() == 2, "models are there already; tables and the space are written again"


def test_no_link_is_followed_and_no_password_shown(run, tmp_path):
    (tmp_path / "secret").write_text("key")
    (run / "trials/0/link").symlink_to(tmp_path / "secret")
    Mirror(run, f"file://{tmp_path / 'there'}").copy()
    assert mirrored(tmp_path / "there") == {"trials/0/model.safetensors", "trials.csv"}
    with pytest.raises(MirrorError, match=r"--mirror ftp://\*\*\*@host/run: cannot be written") as caught:
        Mirror(run, "ftp://me:secret@host/run")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["nowhere", "ftp://example.org/run", "file:///dev/null/run"])
def test_a_url_that_cannot_be_written_is_refused_before_anything_starts(url, space_folder, capsys):
    assert main(["toy.yaml", "--mirror", url]) == 2
    assert capsys.readouterr().err.startswith(f"error: --mirror {url}: cannot be written: ")
    assert not (space_folder / "runs").exists()


def test_one_file_that_cannot_be_copied_keeps_no_other_back(run):
    class Choosy(Failing):
        def open_output_stream(self, place):
            if "model" in place:
                raise OSError("no such name here")
            return self.inner.open_output_stream(place)

    there = Choosy()
    mirror = Mirror(run, "bucket/run", there)
    assert mirror.copy() == 1
    assert "model.safetensors: no such name here" in mirror.trouble
    assert there.inner.get_file_info("bucket/run/trials.csv").size > 0


def test_a_model_that_was_written_again_is_copied_though_it_is_as_large(run, tmp_path):
    url = f"file://{tmp_path / 'there'}"
    (run / "space.yaml").write_text("provenance: {created: 'then'}")
    Mirror(run, url).copy()
    again = Mirror(run, url)
    again.check("then")
    model = run / "trials/0/model.safetensors"
    model.write_text("x" * model.stat().st_size)
    os.utime(model, (time.time() + 5, time.time() + 5))
    again.copy()
    assert (tmp_path / "there/trials/0/model.safetensors").read_text().startswith("xxx")
