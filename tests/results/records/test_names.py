"""Whatever a run folder names or links to, what lies outside of it stays as it was."""

import json
import os
import shutil

import pytest

from results import read_run, rebuild
from results.__main__ import main
from results.exceptions import RecordError
from results.export.record import read_record
from results.pick import main as pick
from results.records.files import write_atomically
from results.records.lock import is_searched
from results.records.names import LONGEST, file_stem, is_plain
from results.verify.__main__ import main as verify

POINTS = [[0.2, 0.9], [0.3, 0.3], [0.9, 0.2], [0.95, 0.95]]
NO_NAMES = ["", ".", "..", "../a", "/a", "a/b", "a\\b", "a\0", "a\n", "\x1b[31m", "\ud800", "é" * LONGEST]


@pytest.fixture
def outside(tmp_path):
    """A folder beside the run, with what must not change; gives what is in it."""
    folder = tmp_path / "outside"
    (folder / "knee").mkdir(parents=True)
    for name in ("victim.txt", "front.png", "by_method.csv", "knee/model.safetensors"):
        (folder / name).write_text(f"mine: {name}")

    def content():
        return {path.relative_to(folder): path.is_file() and path.read_text() for path in folder.rglob("*")}

    content.folder, content.before = folder, content()
    return content


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_that_leads_elsewhere_is_not_plain(name):
    assert not is_plain(name)


@pytest.mark.parametrize("name", ["a", "0", "codes.csv", ".hidden", "a b", "[x]", "é" * (LONGEST // 2)])
def test_a_name_of_a_file_is_plain(name):
    assert is_plain(name)


def test_a_parameter_makes_a_file_of_its_own():
    assert file_stem("codebook.size") == "codebook.size"
    odd = [file_stem(name) for name in ("a/b", "a_b", "a b", "../a", "x" * 300, "x" * 301, "\0")]
    assert len(set(odd)) == len(odd)
    assert all(is_plain(f"by_{name}.csv") and len(name) < 60 for name in odd)


def changed_record(folder, **changes):
    """An export of the front under another name, whose record is changed."""
    old = folder / "best/old"
    shutil.copytree(folder / "best/knee", old)
    record = json.loads((old / "export.json").read_text())
    (old / "export.json").write_text(json.dumps(record | changes))
    return old


@pytest.mark.parametrize("name", ["../../../outside/victim.txt", "/etc/../{outside}/victim.txt", "../knee/README.md"])
@pytest.mark.parametrize("command", ["rebuild", "verify"])
def test_a_record_deletes_nothing_outside_of_its_folder(maker, outside, capsys, name, command):
    folder = maker.write(maker.rows(POINTS))
    rebuild(folder, figures=False)
    name = name.replace("{outside}", str(outside.folder))
    old = changed_record(folder, files={name: "0" * 64})
    if command == "rebuild":
        rebuild(folder, figures=False)
        assert (old / "export.json").exists(), "nobody knows what it has written"
    else:
        assert verify([str(old)]) == 2
        assert "expected a plain name" in capsys.readouterr().err
    assert outside() == outside.before
    assert (folder / "best/knee/README.md").exists()
    with pytest.raises(RecordError, match=r"export\.json: cannot be read as the record of an export .*plain name"):
        read_record(old)


@pytest.mark.parametrize("changes", [{"trial": "../../outside"}, {"trials": [".."]}, {"name": "a/b"}])
def test_every_name_in_a_record_is_plain(maker, changes):
    folder = maker.write(maker.rows(POINTS))
    rebuild(folder, figures=False)
    with pytest.raises(RecordError, match="plain name"):
        read_record(changed_record(folder, **changes))


@pytest.mark.parametrize("trial", ["../../outside/knee", "..", "a/b", "/etc"])
def test_a_trial_is_a_plain_name(maker, outside, trial):
    folder = maker.write(maker.rows(POINTS))
    table = folder / "trials.csv"
    table.write_text(table.read_text().replace("\n1,finished", f"\n{trial},finished"))
    run = read_run(folder)
    assert run.trials["trial"].tolist() == ["0", "2", "3"]
    (warning,) = run.warnings
    assert warning.startswith(f"demo/trials.csv, line 3: trial: {trial!r} does not fit (expected a plain name")
    assert rebuild(folder, figures=False).warnings[0] == warning
    assert outside() == outside.before


@pytest.mark.parametrize("place", ["best", "best/knee", "best/old", "fronts", "figures"])
@pytest.mark.slow
def test_no_link_leads_a_rebuild_out_of_the_run(maker, outside, capsys, place):
    folder = maker.write(maker.rows(POINTS))
    rebuild(folder, figures=False)
    if place == "best/old":
        shutil.move(changed_record(folder), outside.folder)
        outside.before = outside()
    shutil.rmtree(folder / place, ignore_errors=True)
    (folder / place).symlink_to(outside.folder / "old" if place == "best/old" else outside.folder)
    code = main([str(folder)])
    out, err = capsys.readouterr()
    assert outside() == outside.before
    assert (folder / place).is_symlink()
    told = f"{place}: is a link where a folder of the run belongs; move it away and rebuild the run"
    if place.startswith("best"):
        assert code == 0
        warnings = [line for line in out.splitlines() if line.startswith("warning: ")]
        assert warnings == ([] if place == "best/old" else [f"warning: demo/{told}"])
    else:
        assert code == 2
        assert err == f"error: {folder}/{told}\n"


@pytest.mark.parametrize("name", ["front.csv", ".front.csv.part", "best/knee/.README.md.part", "best/knee/README.md"])
def test_no_file_is_written_through_a_link(maker, outside, name):
    folder = maker.write(maker.rows(POINTS))
    rebuild(folder, figures=False)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(outside.folder / "victim.txt")
    rebuild(folder, figures=False)
    assert outside() == outside.before
    assert not (folder / name).is_symlink()


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    for name in ("report.html", ".report.html.part"):
        (tmp_path / name).mkdir()
        with pytest.raises(RecordError, match=rf"/{name}: is a folder where a file belongs; move it away"):
            write_atomically(tmp_path / "report.html", "page")
        (tmp_path / name).rmdir()


def test_what_is_not_the_run_s_is_not_taken_home(maker, outside):
    folder = maker.write(maker.rows(POINTS))
    home = folder / "trials/1"
    secret = outside.folder / "victim.txt"
    for name in ("configuration.yaml", "model.safetensors", "codes.csv"):
        (home / name).unlink(missing_ok=True)
        (home / name).symlink_to(secret)
    (home / "codes.json").symlink_to("inside.json")  # a link to what is the run's own is followed
    (home / "inside.json").write_text("ours")
    (home / "export.json").write_text("a trial's file of that name is none of an export")
    made = rebuild(folder, figures=False)
    knee = folder / "best/knee"
    assert {path.name for path in knee.iterdir()} == {"README.md", "codes.json", "inside.json", "export.json"}
    assert read_record(knee) is not None
    assert secret.read_text() not in "".join(path.read_text() for path in knee.iterdir())
    link = "is a link that leads out of the run folder"
    assert made.warnings == tuple(
        f"demo/trials/1/{name} {link}: demo/best/knee/{name} was not written"
        for name in ("configuration.yaml", "model.safetensors", "codes.csv")
    )


@pytest.mark.parametrize("name", ["trials.csv", "curves.csv", "space.yaml", ".lock"])
def test_a_pipe_or_a_device_is_not_waited_for(maker, name):
    folder = maker.write(maker.rows(POINTS))
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert not is_searched(folder)
    if name == "curves.csv":
        assert "curves.csv: cannot be read (is no file)" in read_run(folder).warnings[0]
    elif name != ".lock":
        with pytest.raises(RecordError, match=r"trials\.csv: cannot be read \(is no file\)|it has no space\.yaml"):
            read_run(folder)


def test_pick_writes_into_the_run_alone(maker, outside, capsys):
    folder = maker.write(maker.rows(POINTS))
    (folder / "best").symlink_to(outside.folder)
    assert pick([str(folder), "--minimise", "stitch_fvu"]) == 2
    assert "error: demo/best: is a link" in capsys.readouterr().err
    (folder / "best").unlink()
    assert pick([str(folder), "--minimise", "stitch_fvu", "--name", "x" * 101]) == 2
    assert "100 characters at most" in capsys.readouterr().err
    assert outside() == outside.before


@pytest.mark.parametrize(
    "study", ["subprocess:Popen", "os:system", "pathlib:Path", "nowhere:Study", ".a:b", ":b", "json"]
)
def test_what_is_no_study_is_not_called(maker, capsys, tmp_path, study):
    """`Popen` would take the keys of a configuration for a command."""
    folder = maker.write(maker.rows(POINTS), study=study)
    for trial in (folder / "trials").iterdir():
        (trial / "configuration.yaml").write_text(f"touch: 1\n{tmp_path}/touched: 2\nepochs: 4\n")
    rebuild(folder, figures=False)
    assert verify([str(folder / "best/knee")]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "is not a study" in err or "cannot be imported" in err or "names no study" in err
    assert not (tmp_path / "touched").exists()
