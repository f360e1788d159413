"""A space file may search how channels and patches are laid out; every value is checked before the first trial."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from search.preparation import Options, build_study, prepare
from search.space.reading import SpaceError

VOCABULARY = Path(__file__).parents[3] / "spaces" / "sub_actions" / "basic_motions.yaml"


def write(folder: Path, parameters: dict, architecture: dict) -> Path:
    small = {"width": 16, "heads": 2, "encoder_layers": 1, "tokenizer_layers": 1, "decoder_layers": 1}
    space = {
        "name": "layouts",
        "study": "model.study:ShapeActionStudy",
        "parameters": {name: {"type": "choice", "values": values} for name, values in parameters.items()},
        "fixed": {"vocabulary": str(VOCABULARY), "architecture": small | architecture},
        "objectives": [
            {"metric": "stitch_fvu", "name": "recon", "direction": "minimise", "reference": 1.0},
            {"metric": "action_kl_ratio", "name": "kl", "direction": "minimise", "reference": 1.0},
        ],
        "budget": {"trials": 2, "epochs": 1},
    }
    path = folder / "layouts.yaml"
    path.write_text(yaml.safe_dump(space))
    return path


@pytest.mark.slow
def test_channels_and_patches_are_searched(tmp_path: Path) -> None:
    parameters = {"architecture.channels": ["separate", "fused"], "architecture.patches": [20, 50]}
    file = write(tmp_path, parameters, {"length": "native"})
    prepared = prepare(Options(file, out=tmp_path / "run"))
    study = build_study(prepared, file)
    sizes = {"separate": (6, 1, 28 * 6), "fused": (1, 6, 28)}
    for channels, (rows, per_token, _) in sizes.items():
        point = {"architecture.channels": channels, "architecture.patches": 20}
        run = study.trial(prepared.space.configuration(point, 0), "cpu")  # type: ignore[attr-defined]
        assert run.model.channels_per_token == per_token
        assert run.model.to_tokens(run.train.x[0], level=run.train.level[:1]).shape == (rows, 32, 16)
        assert run.train.x.shape == (28, 6, 100)


@pytest.mark.slow
def test_a_layout_that_does_not_fit_is_refused_before_the_search(tmp_path: Path) -> None:
    file = write(tmp_path, {"architecture.patches": [50, 1200]}, {"length": 500})
    with pytest.raises(SpaceError, match=r"parameters\.architecture\.patches: 1200 patches of 1 samples cover 1200"):
        build_study(prepare(Options(file, out=tmp_path / "run")), file)
