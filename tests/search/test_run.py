import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from search.run import main


@pytest.fixture
def edit(space_folder, document):
    def change(**sections):
        (space_folder / "toy.yaml").write_text(yaml.safe_dump({**document, **sections}, sort_keys=False))

    return change


def refused(capsys, message, *arguments):
    """Call the command line; expect exit code 2, one line that says why, and nothing left behind."""
    before = {*Path.cwd().iterdir(), Path("__pycache__").absolute()}
    assert main(["toy.yaml", *arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert message in lines[0]
    assert set(Path.cwd().iterdir()) <= before, "nothing is written but bytecode"


def test_mistakes_end_with_one_line_and_exit_code_2(space_folder, edit, document, capsys):
    edit(budegt={})
    refused(capsys, "toy.yaml: budegt: unknown key; did you mean 'budget'?")
    edit(study="no_such_module:Study")
    refused(capsys, "toy.yaml: study: cannot import 'no_such_module': ModuleNotFoundError")
    (space_folder / "apart.py").touch()
    edit(study="apart.study:Study")
    refused(capsys, "'apart' is not a package; apart.py in the working folder hides the package apart, rename it")
    edit(study="toy_study:NoStudy")
    refused(capsys, "toy.yaml: study: there is no class 'NoStudy' in 'toy_study'")
    edit(study="pathlib:Path")
    refused(capsys, "toy.yaml: study: pathlib:Path is not a study, it has no")
    edit(fixed={"speel_s": 1})
    refused(capsys, "toy.yaml: fixed.speel_s: unknown key")
    edit(fixed={"data": {"file": "absent.txt"}})
    refused(capsys, f"toy.yaml: fixed.data.file: there is no file {space_folder / 'absent.txt'}")
    edit(resources={"cpus": 1000})
    refused(capsys, "toy.yaml: resources: one trial needs 1000 CPUs, but this machine has")
    edit(resources={"slots": 1000})
    refused(capsys, "toy.yaml: resources.slots: 1000 slots x (1 CPU) = 1000 CPUs, but this machine has")
    edit(parameters={**document["parameters"], "width": {"type": "choice", "values": [8, 2000]}})
    refused(capsys, "toy.yaml: parameters.width: at most 1000")
    edit(guards={"progres": {"at_least": 0}})
    refused(capsys, "toy.yaml: guards: toy_study:ToyStudy does not measure 'progres'; did you mean 'progress'?")
    edit()
    refused(capsys, "runs/toy: there is no run to resume here; start one without --resume", "--resume")


@pytest.mark.slow
def test_a_mistake_is_refused_before_torch_or_ray_are_loaded(space_folder, edit):
    edit(budegt={})
    code = (
        "import sys; from search.run import main; print(main(['toy.yaml'])); print({'torch', 'ray'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2\nset()\n"
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_existing_run_is_not_overwritten(space_folder, capsys):
    folder = space_folder / "runs" / "toy"
    folder.mkdir(parents=True)
    (folder / "trials.csv").write_text("precious\n")
    assert main(["toy.yaml"]) == 2
    message = "runs/toy: already exists; continue it with --resume, or give another folder with --out"
    assert capsys.readouterr().err.strip() == f"error: {message}"
    assert (folder / "trials.csv").read_text() == "precious\n"


@pytest.mark.parametrize(
    "arguments", [["toy.yaml", *more] for more in (["--trials", "0"], ["--slots", "x"], ["--replicates", "0"])] + [[]]
)
def test_options_that_make_no_sense_end_with_exit_code_2(space_folder, capsys, arguments):
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")


def test_a_dry_run_says_what_would_be_searched_and_leaves_nothing(space_folder, capsys):
    assert main(["toy.yaml", "--dry-run", "--trials", "7", "--slots", "1"]) == 0
    said = capsys.readouterr().out
    assert "7 trials of 10 epochs (70) into runs/toy" in said
    assert "1 at a time with 1 CPU each" in said
    assert len(re.findall(r"^  x [\d.e-]+, width \d+, kind [ab]$", said, re.MULTILINE)) == 5
    assert not (space_folder / "runs").exists()


def test_a_dry_run_makes_every_check_of_a_search(space_folder, edit, capsys):
    for arguments, message in (
        (["--warm-start", "nope"], "nope: "),
        (["--reuse", "nope"], "nope: "),
        (["--mirror", "nope://x"], "--mirror nope://x: cannot be written"),
        (["--mirror", ""], "--mirror: is empty; give a URL"),
        (["--out", "toy.yaml/x"], "toy.yaml/x: toy.yaml is a file; give another folder with --out"),
        (["--accept-changed-code"], "--accept-changed-code: only counts with --resume"),
    ):
        refused(capsys, message, "--dry-run", *arguments)
    edit(track={"callbacks": ["nope:Nope"]})
    refused(capsys, "toy.yaml: track.callbacks: nope:Nope cannot be made: ModuleNotFoundError", "--dry-run")
    edit(hooks={"on_end": "$NO_SUCH_PLACE"})
    refused(capsys, "toy.yaml: hooks.on_end: $NO_SUCH_PLACE is not set here", "--dry-run")
    edit(sampler={"name": "optuna.samplers:CmaEsSampler"})
    refused(capsys, "toy.yaml: sampler.name: optuna.samplers:CmaEsSampler cannot propose: ", "--dry-run")


def test_a_mirror_without_the_run_is_one_line(space_folder, capsys):
    place = f"file://{space_folder / 'nowhere'}"
    refused(capsys, f"--mirror {place}: holds no run to go on with; give", "--resume", "--mirror", place)
    refused(capsys, "--mirror-checkpoints: only counts with --mirror URL; add it", "--mirror-checkpoints")


def test_whose_models_are_kept_is_one_of_two(edit, capsys):
    edit(keep_models="some")
    refused(capsys, "toy.yaml: keep_models: input should be 'all' or 'front' (found 'some')")
