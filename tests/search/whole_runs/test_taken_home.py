"""From a run of the real study to a model that others load and that fresh seeds confirm; no Ray is needed for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from huggingface_hub import ModelCard

import results
from model.annotate import main as annotate
from model.configuration.reading import ConfigurationError, read_configuration
from model.dataset.loading import load_dataset
from model.dataset.ts import find_named, read_ts
from model.evaluation.evaluate import collect
from model.pretrained.shape_action import ShapeAction
from model.study import ShapeActionStudy
from results.export.record import read_record
from results.pick import main as pick
from results.records.run import read_run
from results.verify.__main__ import main as verify
from search.preparation import Options, build_study, prepare, run_provenance, settle_resources
from search.record.recorder import Recorder
from search.trials import TrialRequest
from search.tune.preflight import Available
from search.worker.trial_loop import TrialLoop

pytestmark = pytest.mark.slow

VOCABULARY = Path(__file__).parents[3] / "spaces" / "sub_actions" / "basic_motions.yaml"
SMALL = {"width": 16, "heads": 2, "encoder_layers": 1, "tokenizer_layers": 1, "decoder_layers": 1, "tokens": 16}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run: two points, the first with three seeds."""
    place = tmp_path_factory.mktemp("home")
    objectives = [("stitch_fvu", "recon"), ("action_kl_ratio", "kl")]
    space = {
        "name": "home",
        "study": "model.study:ShapeActionStudy",
        "parameters": {"action_weight": {"type": "choice", "values": [0.2, 0.8]}},
        "fixed": {"vocabulary": str(VOCABULARY), "codebook_size": 8, "architecture": SMALL | {"length": 64}},
        "objectives": [
            {"metric": metric, "name": name, "direction": "minimise", "reference": 9.0} for metric, name in objectives
        ],
        "budget": {"trials": 4, "epochs": 3},
    }
    file, folder = place / "home.yaml", place / "run"
    file.write_text(yaml.safe_dump(space))
    prepared = settle_resources(prepare(Options(file, out=folder)), Available(2, 0, "here"), file)
    study = build_study(prepared, file)
    folder.mkdir()
    prepared.folder.write_space(prepared.space, run_provenance(prepared, study))
    recorder = Recorder(prepared.space, folder)
    loop = TrialLoop(study, prepared.space, folder, 0, lambda update: True)
    for trial, weight in enumerate((0.2, 0.2, 0.2, 0.8)):
        request = TrialRequest(trial, {"action_weight": weight}, seed=trial)
        recorder.begin(request)
        result = loop.run(request)
        assert result.state == "finished", result.trace
        recorder.end(result)
    assert results.rebuild(folder).warnings == ()
    return folder


@pytest.fixture(scope="module")
def point(run: Path) -> str:
    """The named point that has three seeds."""
    front = pd.read_csv(run / "front.csv")
    return str(front[front["seeds"] == 3]["names"].iloc[0]).split("+")[0]


def test_the_exported_model_gives_the_tokens_of_its_training(run: Path, point: str) -> None:
    folder = run / "best" / point
    model = ShapeAction.from_pretrained(folder)
    values = read_configuration(folder).model_dump(mode="json")
    trained = ShapeActionStudy(values).trial(values, "cpu")
    trained.load_export(folder)
    expected = collect(trained.model, trained.validation)
    # The same recordings as the file has them, found by their means.
    everything = read_ts(find_named("BasicMotions", None)[0]).x
    held = load_dataset(values["data"]["source"], length="native").validation
    means = everything.mean(-1).astype(np.float32).tolist()
    raw = everything[[means.index(mean) for mean in held.mean.tolist()]]
    tokens = model.tokenize(raw)
    assert tokens.codes.shape == (len(raw), 6, 16)
    np.testing.assert_array_equal(tokens.codes.ravel(), expected.indices.numpy())
    out = trained.model.eval()(trained.validation.x.flatten(0, 1), level=trained.validation.level)
    np.testing.assert_array_equal(tokens.probabilities.reshape(out.log_q.shape), out.log_q.exp().detach().numpy())
    assert model.metadata["native_samples"] == 100
    assert torch.equal(model.network.quantizer.codes, trained.model.quantizer.codes)


def test_the_folder_holds_what_a_model_needs(run: Path, point: str) -> None:
    folder = run / "best" / point
    assert {path.name for path in folder.iterdir()} == {
        *("README.md", "codes.csv", "config.json", "configuration.yaml", "confusion.csv", "export.json"),
        *("model.safetensors", "sub_actions.csv", "vocabulary.json", "vocabulary.yaml"),
    }
    record = read_record(folder)
    assert record is not None
    assert record.trials == ("0", "1", "2")
    trial = read_run(run).trials.set_index("trial").loc[record.trial]
    assert (folder / "config.json").read_bytes() == (run / "trials" / record.trial / "config.json").read_bytes()
    card = ModelCard.load(folder / "README.md")
    first = card.data.eval_results[0]
    assert (first.dataset_name, first.metric_args["seeds"]) == ("BasicMotions", 3)
    assert first.metric_value != trial["stitch_fvu"], "the mean of three seeds"
    assert "recordings: train 28, validation 12, test 40" in card.text
    assert yaml.safe_load((folder / "vocabulary.yaml").read_text())["name"] == "basic_motions"


def test_a_configuration_is_found_by_its_folder(run: Path, point: str) -> None:
    folder = run / "best" / point
    assert read_configuration(folder) == read_configuration(folder / "configuration.yaml")
    with pytest.raises(ConfigurationError, match=f"there is no such file; it may be .*{point}/configuration.yaml"):
        read_configuration(run / "best" / f"{point}.yaml")


def test_it_annotates(run: Path, point: str, tmp_path: Path) -> None:
    assert annotate([str(run / "best" / point), "BasicMotions", "--out", str(tmp_path / "tokens.csv")]) == 0
    table = pd.read_csv(tmp_path / "tokens.csv")
    assert len(table) == 80 * 6 * 16
    assert table["end"].max() <= 99.0
    codes = pd.read_csv(run / "best" / point / "codes.csv")
    assert set(table["code"]) <= set(codes["code"])


def test_fresh_seeds_fall_into_its_band_and_a_tampered_front_is_found(
    run: Path, point: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run / "best" / point
    assert verify([str(folder), "--seeds", "3"]) == 0
    out = capsys.readouterr().out
    assert "the checkpoint measures what trials.csv has" in out
    assert "behind that of 3 recorded" in out
    assert "as recorded: nothing falls behind" in out
    front = run / "front.csv"
    text = front.read_text()
    value = repr(float(pd.read_csv(front)["stitch_fvu"].iloc[0]))
    assert value in text
    front.write_text(text.replace(value, "0.001"))
    assert verify([str(folder), "--seeds", "3"]) == 1
    assert f"stitch_fvu is '0.001', trials.csv gives '{value}'" in capsys.readouterr().err
    front.write_text(text)


def test_a_pick_is_loaded_like_any_other(run: Path) -> None:
    assert pick([str(run), "--minimise", "action_kl_ratio", "--name", "mine"]) == 0
    assert ShapeAction.from_pretrained(run / "best/mine").metadata["dataset"] == "BasicMotions"
