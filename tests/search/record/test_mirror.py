import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyarrow.fs import FileSelector, _MockFileSystem

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


class Failing:
    """A file system that loses its connection."""

    def __init__(self, works=False):
        self.works, self.inner = works, _MockFileSystem()

    def create_dir(self, *place, **how):
        self.inner.create_dir(*place, **how)

    def open_output_stream(self, place):
        if not self.works:
            raise OSError("AWS Error NETWORK_CONNECTION\nduring PutObject")
        return self.inner.open_output_stream(place)


def test_models_are_there_before_the_rows_that_name_them(run):
    class Watched(Failing):
        def open_output_stream(self, place):
            if "model" in place:  # a trial ends while models are copied
                (run / "trials.csv").write_text("trials.csv and a row whose model comes by the next look")
            written.append(place)
            return super().open_output_stream(place)

    written, there = [], Watched(works=True)
    Mirror(run, "copy", there).copy()
    assert written == ["copy/trials/0/model.safetensors", "copy/trials.csv"]
    assert there.inner.get_file_info("copy/trials.csv").size == len("trials.csv")


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


def save_checkpoint(run, epoch, place="trials/1/unfinished", state="state"):
    """A checkpoint takes the place of the one before it."""
    shutil.rmtree(run / place, ignore_errors=True)
    for name in ("SHA256SUMS", "progress.json", "run/state"):
        file = run / place / str(epoch) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{state} {epoch}")


def test_checkpoints_are_copied_on_request_and_removed_with_those_of_the_run_folder(run, tmp_path):
    there = tmp_path / "there"
    save_checkpoint(run, 3)
    save_checkpoint(run, 10, "ends/0")
    mirror = Mirror(run, f"file://{there}", checkpoints=True)
    assert mirror.copy() == 2 + 6
    save_checkpoint(run, 6)
    assert mirror.copy() == 3
    assert [place.name for place in (there / "trials/1/unfinished").iterdir()] == ["6"]
    assert (there / "ends/0/10/run/state").read_text() == "state 10"
    shutil.rmtree(run / "trials/1")
    shutil.rmtree(run / "ends")
    (run / "trials/0/model.safetensors").unlink()
    assert mirror.copy() == 0
    assert mirrored(there) == {"trials/0/model.safetensors", "trials.csv"}, "nothing but checkpoints is removed"


@pytest.mark.parametrize("checkpoints", [True, False])
def test_checkpoints_of_an_earlier_session_go_when_the_run_folder_has_them_no_more(run, tmp_path, checkpoints):
    there = tmp_path / "there"
    save_checkpoint(run, 3)
    save_checkpoint(run, 4, "trials/2/unfinished")
    Mirror(run, f"file://{there}", checkpoints=True).copy()
    shutil.rmtree(run / "trials/2")
    mirror = Mirror(run, f"file://{there}", checkpoints=checkpoints)
    mirror.check("")
    mirror.copy()
    assert [str(place.relative_to(there)) for place in there.glob("trials/*/unfinished/*")] == ["trials/1/unfinished/3"]


def test_a_checkpoint_is_copied_whole_though_another_takes_its_place(run):
    class Slow(Failing):
        def open_output_stream(self, place):
            if place.endswith("SHA256SUMS"):
                save_checkpoint(run, 6)
            return super().open_output_stream(place)

    there = Slow(works=True)
    save_checkpoint(run, 3)
    assert Mirror(run, "copy", there, checkpoints=True).copy() == 2 + 3
    sizes = [info.size for info in there.inner.get_file_info(FileSelector("copy/trials/1/unfinished/3/run"))]
    assert sizes == [len("state 3")]


def test_the_last_whole_checkpoint_stays_until_another_one_is_whole(run):
    class Cut(Failing):
        def open_output_stream(self, place):
            if "unfinished/6/run" in place:
                raise OSError("connection lost")
            return super().open_output_stream(place)

        def delete_dir(self, place):
            self.inner.delete_dir(place)

    def epochs():
        return [info.base_name for info in there.inner.get_file_info(FileSelector("copy/trials/1/unfinished"))]

    there = Cut(works=True)
    mirror = Mirror(run, "copy", there, checkpoints=True)
    save_checkpoint(run, 3)
    mirror.copy()
    save_checkpoint(run, 6)
    mirror.copy()
    assert (sorted(epochs()), mirror.trouble) == (["3", "6"], "copy: trials/1/unfinished/6: connection lost")
    save_checkpoint(run, 9)
    mirror.copy()
    assert (epochs(), mirror.trouble) == (["9"], "")


ROWS = "trial,state,ended\n0,finished,t0\n1,stopped,t1\n2,failed,t2\n3,interrupted,t3\n"


@pytest.mark.parametrize(
    ("ours", "theirs", "lacking"),
    [
        (ROWS, ROWS, ""),
        (ROWS + "4,finished,t4\n", ROWS, ""),
        (ROWS[: ROWS.index("2,failed")], ROWS, ""),  # what is run once more leaves the table
        (ROWS, ROWS + "4,finished,t", ""),  # cut off
        (ROWS, "", ""),
        (ROWS, ROWS + "4,finished,t4\n", r"holds 1 trials that the run folder lacks, such as 4,"),
        ("", ROWS, r"holds 2 trials that the run folder lacks, such as 0,"),
        (ROWS.replace("t1", "later"), ROWS, r"holds 1 trials that the run folder lacks, such as 1,"),
    ],
)
def test_a_mirror_that_holds_more_of_the_run_is_not_written_over(run, tmp_path, ours, theirs, lacking):
    (run / "space.yaml").write_text("provenance: {created: 'then'}")
    (run / "trials.csv").write_text(theirs)
    url = f"file://{tmp_path / 'there'}"
    Mirror(run, url).copy()
    (run / "trials.csv").write_text(ours)
    if not lacking:
        Mirror(run, url).check("then")
        return
    with pytest.raises(MirrorError, match=lacking + r" since the run has gone on elsewhere; move the folder away"):
        Mirror(run, url).check("then")
    assert (tmp_path / "there/trials.csv").read_text() == theirs
