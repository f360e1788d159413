from pathlib import Path

import pytest
from pyarrow.fs import _MockFileSystem

from search.record.mirror import Mirror
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


@pytest.mark.parametrize("url", ["nowhere", "ftp://example.org/run", "file:///dev/null/run"])
def test_a_url_that_cannot_be_written_is_refused_before_anything_starts(url, space_folder, capsys):
    assert main(["toy.yaml", "--mirror", url]) == 2
    assert capsys.readouterr().err.startswith(f"error: --mirror {url}: cannot be written: ")
    assert not (space_folder / "runs").exists()
