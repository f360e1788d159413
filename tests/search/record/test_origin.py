import importlib
import platform
import sys
from importlib import metadata
from pathlib import Path

import pytest

from search.record import origin
from search.record.origin import (
    OtherOriginError,
    basis,
    code_fingerprint,
    mark,
    other_versions,
    provenance,
    resumed,
)
from search.record.run_folder import RunFolder
from search.space.reading import dump_yaml, load_yaml

STUDY = """
class Mine:
    data = "v1"
    def provenance(self):
        from helper_of_mine import scale  # a late import counts as well
        return {"data": self.data, "scores": {"share": 0.1 + 0.2, "classes": ("a", "b"), "none": float("nan")}}
"""


@pytest.fixture
def mine(space_folder: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """A study of two files."""
    monkeypatch.syspath_prepend(str(space_folder))
    Path("mine.py").write_text(STUDY)
    Path("helper_of_mine.py").write_text("def scale(x):\n    return x\n")
    for name in ("mine", "helper_of_mine"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return import_study_class("mine", "Mine")()


def begun(study: object) -> dict:
    """The record of a run, as it comes back from its file."""
    return load_yaml(dump_yaml(provenance(study, {"budget": {"trials": 2}}, {})))


def test_a_run_says_which_python_and_which_packages_made_it(mine: object) -> None:
    found = begun(mine)
    assert found["python"] == platform.python_version()
    assert found["versions"]["torch"] == metadata.version("torch")
    assert (found["study"]["data"], found["written"]) == ("v1", {"budget": {"trials": 2}})
    assert "set" not in found


def test_the_code_counts_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "inner.py").write_text("class A: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    from some_package.inner import A

    before = code_fingerprint(A)
    assert before == code_fingerprint(A)
    (package / "other.py").write_text("B = 1\n")
    assert code_fingerprint(A) != before


def test_the_code_of_what_a_study_imports_counts(mine: object) -> None:
    before = code_fingerprint(type(mine))
    Path("beside.py").write_text("not imported\n")
    assert code_fingerprint(type(mine)) == before
    Path("helper_of_mine.py").write_text("def scale(x):\n    return 2 * x\n")
    assert code_fingerprint(type(mine)) != before


def test_nothing_of_the_search_or_of_installed_packages_counts(
    space_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(space_folder))
    Path("uses_all.py").write_text("import numpy, json, search.testing, results.records.run\nclass Uses: ...\n")
    uses = import_study_class("uses_all", "Uses")
    before = code_fingerprint(uses)
    Path("uses_all.py").write_text("import numpy, json, search.trials, results.records.run\nclass Uses: ...\n\n")
    assert code_fingerprint(uses) != before
    assert [path.name for path in origin.imported("uses_all")] == ["uses_all.py"]


def import_study_class(module: str, name: str) -> type:
    return getattr(importlib.import_module(module), name)


def test_a_run_that_goes_on_unchanged_keeps_its_record(mine: object) -> None:
    record = begun(mine)
    assert resumed(record, mine) == record
    assert mark(record) == ""
    record["study"]["scores"]["share"] *= 1 + 1e-9  # another machine adds in another order
    assert resumed(record, mine) == record


def test_a_run_does_not_go_on_with_other_data(mine: object) -> None:
    record = begun(mine)
    mine.data = "v2"
    with pytest.raises(OtherOriginError, match="the data of this run have changed: data is 'v2', and was 'v1'; put"):
        resumed(record, mine, accept_changed_code=True)


def test_a_run_goes_on_with_other_code_only_where_that_is_wished_for(mine: object) -> None:
    record = begun(mine)
    Path("helper_of_mine.py").write_text("def scale(x):\n    return 100 + x\n")
    now = code_fingerprint(type(mine))
    with pytest.raises(OtherOriginError, match=r"code of the study has changed.*--accept-changed-code, which marks"):
        resumed(record, mine)
    later = resumed(record, mine, accept_changed_code=True)
    assert later["code"] == record["code"], "the beginning stays as it was"
    assert [change["code"] for change in later["changed"]] == [now]
    assert resumed(later, mine) == later, "it is asked about once"
    assert mark(later) == now[:12]
    codes = [basis(later, code)["code"] for code in (None, "", now[:12], "unknown")]
    assert codes == [now, record["code"], now, None]

    Path("helper_of_mine.py").write_text("def scale(x):\n    return x\n")
    with pytest.raises(OtherOriginError):
        resumed(later, mine)
    assert mark(resumed(later, mine, accept_changed_code=True)) == "", "the code of the beginning again"


def test_other_versions_are_told_and_recorded(mine: object) -> None:
    record = begun(mine)
    record["versions"]["torch"] = "1.0"
    assert other_versions(record) == [f"torch {metadata.version('torch')}, was 1.0"]
    later = resumed(record, mine)
    assert later["changed"][0]["versions"]["torch"] == metadata.version("torch")
    assert (other_versions(later), mark(later)) == ([], "")


def test_the_record_survives_its_file(space: object, mine: object, tmp_path: Path) -> None:
    RunFolder(tmp_path).write_space(space, provenance(mine, {}, {}))
    _, record = RunFolder(tmp_path).read_space()
    assert resumed(record, mine) == record


def test_a_run_of_which_nothing_is_recorded_goes_on(mine: object) -> None:
    assert resumed({}, mine)["changed"][0]["code"] == code_fingerprint(type(mine))
    assert other_versions({}) == []


def test_accepted_code_may_tell_of_more_data_than_before(mine: object) -> None:
    record = begun(mine)
    del record["study"]["scores"]
    with pytest.raises(OtherOriginError, match="the data of this run have changed: scores"):
        resumed(record, mine)
    assert resumed(record, mine, accept_changed_code=True) == record


def test_the_lock_of_an_editor_is_no_code(mine: object) -> None:
    before = code_fingerprint(type(mine))
    Path(".#mine.py").symlink_to("nobody@nowhere")
    assert code_fingerprint(type(mine)) == before
