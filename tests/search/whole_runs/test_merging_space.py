"""A space file may search how phrases are merged; every value is checked before the first trial."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from search.preparation import Options, build_study, prepare
from search.space.reading import SpaceError

CLASSES = {
    "standing": ["hold the hand still", "stand upright", "lower the hand"],
    "walking": ["step forward", "swing the arm"],
    "running": ["step back", "lift the hand"],
    "badminton": ["sit down", "lie down", "push the racket", "pull the racket"],
}


def write(folder: Path, parameters: dict, sub_actions: int | None = None) -> Path:
    space: dict = {
        "name": "merging",
        "study": "model.study:ShapeActionStudy",
        "parameters": {name: {"type": "choice", "values": values} for name, values in parameters.items()},
        "fixed": {
            "vocabulary": {"name": "toy", "classes": CLASSES},
            "architecture": {"width": 16, "heads": 2, "encoder_layers": 1, "tokenizer_layers": 1, "decoder_layers": 1},
        },
        "objectives": [
            {"metric": "stitch_fvu", "name": "recon", "direction": "minimise", "reference": 1.0},
            {"metric": "action_kl_ratio", "name": "kl", "direction": "minimise", "reference": 1.0},
        ],
        "budget": {"trials": 2, "epochs": 1},
    }
    if sub_actions is not None:
        space["fixed"]["num_sub_actions"] = sub_actions
    path = folder / "merging.yaml"
    path.write_text(yaml.safe_dump(space))
    return path


def test_the_merging_is_searched(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        {"merging.keep_opposites_apart": [False, True], "merging.linkage": ["average", "complete"]},
        7,
    )
    prepared = prepare(Options(file, out=tmp_path / "run"))
    study = build_study(prepared, file)
    owned = {}
    for apart in (False, True):
        point = {"merging.keep_opposites_apart": apart, "merging.linkage": "average"}
        run = study.trial(prepared.space.configuration(point, 0), "cpu")  # type: ignore[attr-defined]
        assert run.metadata["configuration"]["merging"] == {"linkage": "average", "keep_opposites_apart": apart}
        owned[apart] = run.metadata["sub_actions"]
    assert owned[True] != owned[False]


@pytest.mark.slow
def test_a_merging_that_cannot_be_is_refused_before_the_search(tmp_path: Path) -> None:
    file = write(tmp_path, {"merging.keep_opposites_apart": [True], "merging.linkage": ["average", "single"]}, 7)
    with pytest.raises(SpaceError, match=r"merging.*needs linkage average or complete, not single"):
        build_study(prepare(Options(file, out=tmp_path / "run")), file)
    file = write(tmp_path, {"merging.keep_opposites_apart": [False, True], "num_sub_actions": [2, 7]})
    with pytest.raises(SpaceError, match=r"num_sub_actions: .*2 sub-actions"):
        build_study(prepare(Options(file, out=tmp_path / "other")), file)
