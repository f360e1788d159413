"""How a run stands that nobody searches, by the command line."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from search.control import main
from search.record.recorder import Recorder
from search.record.run_folder import RunFolder
from search.space.reading import parse_space
from search.trials import TrialRequest, TrialResult

SWEEP = {"parameter": "x", "factors": [0.5], "epochs": 2}


@pytest.mark.parametrize(("trials", "goes_on"), [(2, False), (5, True)])
def test_lines_and_replicates_are_not_counted_as_trials_of_the_budget(
    space_folder: Path,
    document: dict,
    finish: Callable[..., TrialResult],
    capsys: pytest.CaptureFixture[str],
    trials: int,
    goes_on: bool,
) -> None:
    space = parse_space({**document, "sweep": SWEEP, "budget": {"trials": trials, "epochs": 10}}, Path("toy.yaml"))
    folder = RunFolder(Path("runs/toy"))
    folder.path.mkdir(parents=True)
    folder.write_space(space, {})
    recorder = Recorder(space, folder.path)
    point = {"x": 0.5, "width": 8, "kind": "a"}
    line = {**point, "x": 0.25, "line": "0.5 > 0.25"}
    more = [{**point, "x": 0.75}, line] + ([point, line] if trials == 2 else [])
    for number, parameters in enumerate([point, *more]):
        request = TrialRequest(number, parameters, number)
        recorder.begin(request)
        recorder.end(finish(request, first=0.5, second=0.5))
    assert main(["runs/toy"]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"2 of {trials} trials ended, 1 line |")
    assert ("--resume` continues it" in last) == goes_on
    assert yaml.safe_load(Path("runs/toy/space.yaml").read_text())["name"] == "toy"
