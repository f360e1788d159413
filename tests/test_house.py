"""The rules of the house that a test can hold: layers, sizes, light imports, and that every shipped file loads."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Rooms from low to high: a file imports its own room and lower ones, never its neighbours. A package's own `__init__`
# and every `__main__` stand above all.
LAYERS = {
    "model": (
        "exceptions",
        "files command",
        "checkpoint hub_weights",
        "dataset codebook",
        "dataset.formats sub_actions",
        "configuration",
        "network extraction",
        "evaluation",
        "pretrained",
        "training",
        "study",
        "train annotate",
    ),
    "results": (
        "exceptions",
        "records",
        "command front",
        "charts export",
        "charts.web charts.print",
        "report",
        "atlas",
        "aggregate",
        "live compare pick verify",
    ),
    "search": (
        "exceptions",
        "space",
        "trials protocol",
        "record policy",
        "worker watch",
        "tune",
        "studies",
        "cluster preparation",
        "session",
        "run control testing",
    ),
}
BETWEEN_PACKAGES = {
    # A search ends with a rebuild of its results.
    "search": {"results": {"exceptions", "command", "records", "front", "aggregate"}},
    "results": {"model": {"pretrained"}},
    "model": {},
}
# Imports inside a function, each for a reason: the file stays light, and only this call needs the heavy one.
INSIDE_FUNCTIONS: set[str] = {
    "model -> model.pretrained.shape_action",
    "model.annotate -> model.hub_weights",
    "model.annotate -> model.network.batch",
    "model.annotate -> model.pretrained.shape_action",
    "model.annotate -> model.pretrained.tokens",
    "model.network.building -> model.codebook.finite_scalar",
    "model.network.building -> model.codebook.library",
    "model.study -> model.checkpoint",
    "model.study -> model.network.alignment",
    "model.study -> model.network.batch",
    "model.study -> model.network.teacher",
    "model.study -> model.sub_actions.encoder",
    "model.study -> model.training.answer_key",
    "model.study -> model.training.replicas",
    "model.study -> model.training.run",
    "model.sub_actions.__main__ -> model.sub_actions.encoder",
    "model.sub_actions.__main__ -> model.sub_actions.pictures",
    "model.train -> model.network.batch",
    "model.train -> model.study",
    "results.__main__ -> results.live",
    "search.preparation -> search.policy.samplers",
    "search.run -> search.policy.samplers",
    "search.run -> search.tune.tracking",
    "results.aggregate -> results.charts.print.files",
    "results.aggregate -> results.report.report",
    "results.atlas.__main__ -> model.pretrained.atlas",
    "results.atlas.__main__ -> model.pretrained.exported",
    "results.atlas.print -> model.pretrained.atlas",
    "results.atlas.svg -> model.pretrained.atlas",
    "results.atlas.view -> model.pretrained.atlas",
    "results.live -> results.aggregate",
    "results.live -> results.front.overview",
    "results.live -> results.report.report",
    "search.cluster -> search.worker.nodes",
    "search.run -> search.session",
    "search.worker.group -> search.worker.work",
}
MOST_FILES, MOST_LINES, MOST_LINES_OF_A_FUNCTION = 12, 400, 60
FILES = sorted(path for package in LAYERS for path in (ROOT / package).rglob("*.py"))


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in FILES}


def room_of(module: str) -> str:
    """The room of a module, below its package: `charts.web`; "" for the package itself and whatever is run."""
    package, *inner = module.split(".")
    if not inner or inner[-1] == "__main__":
        return ""
    rooms = [
        room for layer in LAYERS[package] for room in layer.split() if f"{'.'.join(inner)}.".startswith(f"{room}.")
    ]
    return max(rooms, key=len, default=f"{module}, which is in no layer")


def height(module: str) -> int:
    package, room = module.partition(".")[0], room_of(module)
    layers = [layer.split() for layer in LAYERS[package]]
    return next((at for at, layer in enumerate(layers) if room in layer), len(layers))


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """The modules of the house that a file imports, and whether it does so at its top, for all who import it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module for name in inner]
        for name in dict.fromkeys(names):
            if name.split(".")[0] in LAYERS:
                yield name, node in tree.body


def packages_imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    return names | {(n.module or "").split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}


def test_files_import_their_own_room_or_a_lower_one() -> None:
    wrong = []
    for module, path in MODULES.items():
        package = module.split(".")[0]
        for name, _ in imports(path):
            other = name.split(".")[0]
            if other != package:
                if room_of(name) not in BETWEEN_PACKAGES[package].get(other, set()):
                    wrong.append(f"{module} -> {name}")
            elif room_of(name) != room_of(module) and height(name) >= height(module):
                wrong.append(f"{module} -> {name}")
    assert wrong == []


def test_imports_inside_functions_have_a_reason() -> None:
    found = {f"{m} -> {name}" for m, path in MODULES.items() for name, at_top in imports(path) if not at_top}
    assert found == INSIDE_FUNCTIONS


def test_there_is_no_circle_of_files() -> None:
    graph = {m: {n for n, _ in imports(p) if n != m and n in MODULES} for m, p in MODULES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, with the circle


def test_folders_files_and_functions_can_be_taken_in_at_a_glance() -> None:
    too_many = []
    for folder in {path.parent for path in FILES}:
        files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        if len(files) > MOST_FILES:
            too_many.append(f"{folder.relative_to(ROOT)}: {len(files)} files")
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > MOST_LINES:
            too_many.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > MOST_LINES_OF_A_FUNCTION:
                    too_many.append(f"{path.relative_to(ROOT)}: {node.name} has {length} lines")
    assert too_many == []


@pytest.mark.parametrize("path", [p for p in FILES if p.name == "__init__.py"], ids=module_of)
def test_a_room_begins_with_a_table_of_contents(path: Path) -> None:
    docstring, *rest = ast.parse(path.read_text(encoding="utf-8")).body
    assert isinstance(docstring, ast.Expr)
    assert isinstance(docstring.value, ast.Constant)
    lazy = ("__getattr__", "__dir__")
    assert all(
        isinstance(node, ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign | ast.If)
        or (isinstance(node, ast.FunctionDef) and node.name in lazy)
        for node in rest
    )
    files = [file.stem for file in path.parent.glob("[!_]*.py")]
    unnamed = [name for name in files if name not in docstring.value.value]
    assert not unnamed or path.parent.name in LAYERS, "it says what each file is for"


def test_only_the_search_loads_ray_and_the_results_no_torch() -> None:
    for package, forbidden in {"model": {"ray", "optuna"}, "results": {"ray", "torch"}}.items():
        for path in (p for m, p in MODULES.items() if m.split(".")[0] == package):
            assert not packages_imported(path) & forbidden, path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import results", "torch ray plotly"),
        ("import results.atlas", "torch ray plotly"),
        ("import search.space", "torch ray plotly"),
        ("import model", "torch ray plotly"),
        ("import model.dataset, model.extraction", "torch ray plotly"),
        ("import search.tune.fit", "torch"),  # in the driver, trial actors and controllers
    ],
)
def test_light_imports_stay_light(statement: str, heavy: str) -> None:
    code = f"import sys; {statement}; sys.exit(str([m for m in '{heavy}'.split() if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.strip() == "[]"


def test_one_console_for_all_prints_texts_as_they_are() -> None:
    makers = {m for m, path in MODULES.items() if re.search(r"\bConsole\(", path.read_text(encoding="utf-8"))}
    assert makers == {"results.command", "model.command"}


# What a user imports shows how it is used; at least so many lines of example.
SHOWN = {
    "model.dataset.loading": 2,
    "search.space.reading": 1,
    "results.front.attainment": 1,
    "results.front.front": 1,
    "results.front.knee": 1,
}
EXAMPLES = {module for module, path in MODULES.items() if ">>> " in path.read_text(encoding="utf-8")}


@pytest.mark.parametrize("module", sorted(EXAMPLES | SHOWN.keys()))
def test_examples_in_docstrings_are_true(module: str) -> None:
    done = doctest.testmod(importlib.import_module(module))
    assert done.attempted >= SHOWN.get(module, 1)
    assert done.failed == 0


@pytest.mark.parametrize("path", sorted((ROOT / "spaces" / "sub_actions").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_vocabulary_loads(path: Path) -> None:
    from model.sub_actions.vocabulary import load_vocabulary

    assert len(load_vocabulary(path).classes) > 1


@pytest.mark.parametrize("path", sorted((ROOT / "spaces").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_space_can_be_searched(path: Path) -> None:
    import yaml

    from model.study import ShapeActionStudy
    from search.space.reading import read_space

    space = read_space(path)
    assert len(space.objectives) >= 2
    ShapeActionStudy.resolve(yaml.safe_load(path.read_text())["fixed"], path.parent)


def test_the_installation_has_every_file_that_the_code_reads() -> None:
    import tomllib
    from fnmatch import fnmatch

    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["*"]
    tracked = subprocess.run(["git", "ls-files", *LAYERS], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    others = [path.name for path in map(Path, tracked.split()) if path.suffix != ".py"]
    assert "opposites.yaml" in others
    assert [name for name in others if not any(fnmatch(name, pattern) for pattern in patterns)] == []


def test_each_top_level_package_is_listed_for_the_installation() -> None:
    import tomllib

    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    assert sorted(listed) == sorted(f"{package}*" for package in LAYERS)


def test_an_installation_brings_templates_style_sheets_and_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    from setuptools import Distribution
    from setuptools.config.pyprojecttoml import apply_configuration

    monkeypatch.chdir(ROOT)
    build = apply_configuration(Distribution(), "pyproject.toml").get_command_obj("build_py")
    build.ensure_finalized()
    build.manifest_files = {}  # what the configuration alone names
    brought = {Path(name) for p in build.packages for name in build.find_data_files(p, build.get_package_dir(p))}
    shipped = {path.relative_to(ROOT) for package in LAYERS for path in (ROOT / package).rglob("*") if path.is_file()}
    assert {path for path in shipped if path.suffix in (".css", ".js", ".j2", ".yaml")} == brought
    assert Path("results/report/page.html.j2") in brought


def test_files_that_a_page_names_are_there() -> None:
    named = re.compile(r"(?<![\w/.-])((?:model|search|results|tests|benchmarks|docs|spaces|deploy)/[\w/.-]+\.\w+)")
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    found = {(page.name, name) for page in pages for name in named.findall(page.read_text(encoding="utf-8"))}
    assert {(page, name) for page, name in found if not (ROOT / name).exists()} == set()
