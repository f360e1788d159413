"""What a run folder says of its vocabulary, from a trial of the real study to `best/`; no Ray is needed for it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

import results
from results.records.run import read_run
from search.preparation import Options, build_study, prepare, run_provenance, settle_resources
from search.record.recorder import Recorder
from search.trials import TrialRequest
from search.tune.preflight import Available
from search.worker.trial_loop import TrialLoop

VOCABULARY = Path(__file__).parents[3] / "spaces" / "sub_actions" / "basic_motions.yaml"


@pytest.fixture
def space_file(tmp_path: Path) -> Path:
    small = {"width": 16, "heads": 2, "encoder_layers": 1, "tokenizer_layers": 1, "decoder_layers": 1}
    objectives = [("stitch_fvu", "recon"), ("action_kl_ratio", "kl")]
    space = {
        "name": "words",
        "study": "model.study:ShapeActionStudy",
        "parameters": {"num_sub_actions": {"type": "int", "low": 9, "high": 20}},
        "fixed": {"vocabulary": str(VOCABULARY), "codebook_size": 8, "architecture": small | {"length": 64}},
        "objectives": [
            {"metric": metric, "name": name, "direction": "minimise", "reference": 9.0} for metric, name in objectives
        ],
        "budget": {"trials": 1, "epochs": 1},
    }
    path = tmp_path / "words.yaml"
    path.write_text(yaml.safe_dump(space))
    return path


@pytest.mark.slow
def test_a_run_has_the_scores_in_its_record_and_beside_every_checkpoint(space_file: Path, tmp_path: Path) -> None:
    options = Options(space_file, out=tmp_path / "run")
    prepared = settle_resources(prepare(options), Available(2, 0, "here"), space_file)
    study, folder = build_study(prepared, space_file), tmp_path / "run"
    folder.mkdir()
    prepared.folder.write_space(prepared.space, run_provenance(prepared, study))
    recorder, request = Recorder(prepared.space, folder), TrialRequest(0, {"num_sub_actions": 15}, 3)
    recorder.begin(request)
    result = TrialLoop(study, prepared.space, folder, 0, lambda update: True).run(request)
    assert result.state == "finished", result.trace
    recorder.end(result)
    assert results.rebuild(folder).warnings == ()

    record = read_run(folder).space.provenance["study"]["vocabulary"]
    assert (record["name"], record["phrases"], record["scores"]["sub_actions"]) == ("basic_motions", 40, 12)
    assert record["valid_num_sub_actions"] == "4-32"
    assert record["scores"]["title_rebuilt"]["top1"] == 1.0
    assert "title_rebuilt" in (folder / "report.html").read_text()
    for name in ("knee", "recon", "kl"):
        table = pd.read_csv(folder / "best" / name / "sub_actions.csv")
        assert len(table) == 15
        scores = json.loads((folder / "best" / name / "vocabulary.json").read_text())
        assert scores["sub_actions"] == 15
        assert scores["redundancy"]["nearest_cosine"] == pytest.approx(table.nearest_cosine.mean(), abs=1e-3)
