"""The rules of the house that a test can hold: who imports whom, and that every shipped file loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "model": {"ray", "optuna", "search", "results"},
    "results": {"ray", "torch", "search", "model"},
    "search": {"model"},
}
# The atlas draws what a trained model says. It asks for plain arrays, inside the function that needs them, so that
# importing it stays light; its other rooms name the type of what comes back.
ASKING_THE_MODEL = "atlas/*.py"


def imported(path: Path, at_run_time: bool = False) -> set[str]:
    """Packages that a file imports; `at_run_time`, those that importing the file itself loads."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in tree.body if at_run_time else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", FORBIDDEN)
def test_packages_import_only_what_they_may(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        asks = package == "results" and path.match(ASKING_THE_MODEL)
        assert not imported(path) & (FORBIDDEN[package] - ({"model"} if asks else set())), path
        assert not imported(path, at_run_time=True) & FORBIDDEN[package], path


@pytest.mark.parametrize("statement", ["import results", "import results.atlas", "import search.space", "import model"])
def test_light_imports_stay_light(statement: str) -> None:
    code = (
        f"import sys; {statement}; sys.exit(str([m for m in ('torch', 'ray', 'plotly') if m in sys.modules]) != '[]')"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


@pytest.mark.parametrize("path", sorted((ROOT / "spaces" / "sub_actions").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_vocabulary_loads(path: Path) -> None:
    from model.sub_actions import load_vocabulary

    assert len(load_vocabulary(path).classes) > 1


@pytest.mark.parametrize("path", sorted((ROOT / "spaces").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_space_can_be_searched(path: Path) -> None:
    import yaml

    from model.study import ShapeActionStudy
    from search.space import read_space

    space = read_space(path)
    assert len(space.objectives) >= 2
    ShapeActionStudy.resolve(yaml.safe_load(path.read_text())["fixed"], path.parent)


def test_each_top_level_package_is_listed_for_the_installation() -> None:
    import tomllib

    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    assert sorted(listed) == sorted(f"{package}*" for package in FORBIDDEN)
