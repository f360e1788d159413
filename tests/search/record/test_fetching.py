import os
from pathlib import Path

import pytest
from pyarrow.fs import FileInfo, FileType, _MockFileSystem

from search.record.fetching import fetch_run
from search.record.mirror import Mirror, MirrorError

FILES = {
    "space.yaml": "provenance: {created: then}",
    "trials.csv": "trial,state\n",
    "trials/0/model.safetensors": "weights",
    "trials/1/unfinished/3/run/state": "half",
    "ends/0/10/progress.json": "end",
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("empty", [True, False])
def test_a_run_comes_back_as_it_was_mirrored(tmp_path: Path, empty: bool) -> None:
    url, said = f"file://{tmp_path / 'there'}/", []
    Mirror(write(tmp_path / "run", FILES), url, checkpoints=True).copy()
    target = tmp_path / "runs/again"
    if empty:
        target.mkdir(parents=True)
    fetch_run(target, url, said.append)
    assert contents(target) == FILES
    assert said == [f"fetching 5 files of the run (0.0 MB) from {url}"]
    assert [place.name for place in target.parent.iterdir()] == ["again"]


def test_a_place_without_a_run_is_named_and_nothing_is_made(tmp_path: Path) -> None:
    write(tmp_path / "there", {"deeper/space.yaml": "", "notes": ""})
    for place in ("there", "nowhere"):
        with pytest.raises(MirrorError, match=rf"--mirror file://.*/{place}: holds no run to go on with; give the pl"):
            fetch_run(tmp_path / "runs/again", f"file://{tmp_path / place}", print)
    with pytest.raises(MirrorError, match=r"--mirror ftp://\*\*\*@host/run: cannot be fetched \(.*\); again is as it"):
        fetch_run(tmp_path / "runs/again", "ftp://me:secret@host/run", print)
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "nowhere").exists()


class Listing:
    """A file system that lists whatever names it is told to, each with its name as content."""

    def __init__(self, *names: str):
        self.names, self.inner = names, _MockFileSystem()

    def get_file_info(self, selector: object) -> list[FileInfo]:
        return [FileInfo(name, FileType.File, size=1) for name in self.names]

    def open_input_stream(self, place: str):
        if "unreadable" in place:
            raise RuntimeError("the bucket\nis gone")
        if "interrupted" in place:
            raise KeyboardInterrupt
        with self.inner.open_output_stream("file") as stream:
            stream.write(place.encode())
        return self.inner.open_input_stream("file")


def test_nothing_is_written_beside_the_folder_whatever_the_names(tmp_path: Path) -> None:
    names = ["b/run/../../up", "b/run/trials/../../up", "b/run//etc/up", "b/run/.lock", "b/run/./up", "b/run/"]
    names += ["/up", "b/up", "../up", "b/run/ray/events", "b/run/trials/0/.part", "b/run/space.yaml"]
    fetch_run(tmp_path / "again", "b/run", print, Listing(*names))
    assert contents(tmp_path) == {"again/space.yaml": "b/run/space.yaml"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("unreadable", r"b/run: unreadable: cannot be fetched \(the bucket is gone\); again is as it was"),
        ("space.yaml/inside", r"space\.yaml/inside: cannot be fetched"),
        ("a\0b", r"cannot be fetched \(.*null"),
        ("n" * 300, r"cannot be fetched \(.*name too long"),
    ],
)
def test_what_cannot_be_fetched_is_named_and_nothing_is_there(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(MirrorError, match=reason):
        fetch_run(tmp_path / "again", "b/run", print, Listing("b/run/space.yaml", f"b/run/{name}"))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_fetch_leaves_nothing_that_looks_like_a_run(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        fetch_run(tmp_path / "again", "b/run", print, Listing("b/run/space.yaml", "b/run/interrupted"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_more_empty_stays_as_it_is(tmp_path: Path) -> None:
    write(tmp_path / "again", {"mine": "precious"})
    with pytest.raises(MirrorError, match=r"cannot be fetched .*not empty"):
        fetch_run(tmp_path / "again", "b/run", print, Listing("b/run/space.yaml"))
    assert contents(tmp_path) == {"again/mine": "precious"}


def test_links_in_a_mirror_are_not_followed(tmp_path: Path) -> None:
    there = write(tmp_path / "there", FILES)
    write(tmp_path, {"secret/key": "key"})
    (there / "trials/0/key").symlink_to(tmp_path / "secret/key")
    (there / "study").symlink_to(tmp_path / "secret")
    (there / "trials/all").symlink_to(there)
    os.symlink(there, tmp_path / "link")
    fetch_run(tmp_path / "again", f"file://{tmp_path / 'link'}", print)
    assert contents(tmp_path / "again") == FILES
