import importlib
import sys
from pathlib import Path

from search.record.sources import sources
from search.studies import import_study

ROOT = Path(__file__).parents[3]


def test_a_run_brings_the_study_beside_the_space_file_and_the_search(space_folder, monkeypatch):
    (space_folder / "beside").mkdir()
    (space_folder / "beside" / "part.py").touch()  # without __init__.py
    monkeypatch.syspath_prepend(str(space_folder))
    importlib.import_module("beside.part")
    found = sources(import_study("toy_study:ToyStudy", space_folder / "toy.yaml"))
    assert {str(space_folder / "toy_study.py"), str(space_folder / "beside")} <= set(found)
    assert {Path(path).name for path in found} >= {"search", "results"}
    assert len(found) == len(set(found))
    for name in ("beside", "beside.part"):
        sys.modules.pop(name)


def test_installed_packages_stay_where_they_are(space_folder):
    found = sources(import_study("toy_study:ToyStudy", space_folder / "toy.yaml"))
    assert not [path for path in found if "site-packages" in path or Path(path).name in ("json", "pytest.py")]
