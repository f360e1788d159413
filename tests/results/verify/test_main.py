"""Verification on a run of a study that is cheap: what is found to differ, and what a fresh seed has to keep."""

import json
import random
import re
import sys
import types

import pytest

from results import rebuild
from results.exceptions import RecordError
from results.records.run import read_run
from results.verify.__main__ import fresh_seeds, main
from results.verify.retraining import Retraining

PARAMETERS = ("codebook_size", "action_weight", "num_sub_actions", "method")  # of other runs


class NoisyRun:
    """Two values and the seed's noise; a checkpoint is a JSON file of what it measures."""

    shift = 0.0

    def __init__(self, configuration):
        noise = random.Random(configuration["seed"]).gauss(0.0, 0.01)
        self.values = {
            "stitch_fvu": configuration["x"] + noise + self.shift,
            "action_kl_ratio": 1 - configuration["x"] - noise,
            "window_samples": 16.0,
        }

    def train_epoch(self):
        if self.shift != self.shift:
            return {"loss": float("nan")}
        return {"loss": 1.0}

    def evaluate(self):
        return self.values

    def export(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.safetensors").write_text(json.dumps(self.values))

    def load_export(self, folder):
        self.values = json.loads((folder / "model.safetensors").read_text())


class NoisyStudy:
    def __init__(self, resolved):
        if "x" not in resolved:
            raise ValueError("x: is missing")

    def check(self, configuration):
        if configuration["x"] > 1:
            raise ValueError("x: at most 1")

    def provenance(self):
        return {"data_fingerprint": "abc"}

    def trial(self, configuration, device):
        assert device == "cpu"
        return NoisyRun(configuration)


@pytest.fixture
def noisy(maker, monkeypatch):
    """Makes a run of the study with some seeds per point, and rebuilds it."""
    module = types.ModuleType("noisy_study")
    module.NoisyStudy = NoisyStudy
    monkeypatch.setitem(sys.modules, "noisy_study", module)
    monkeypatch.setattr(NoisyRun, "shift", 0.0)

    def make(seeds=3):
        rows = []
        for point, x in enumerate((0.2, 0.5, 0.8)):
            for seed in range(seeds):
                number = point * seeds + seed
                run = NoisyRun({"x": x, "seed": number})
                rows.append(maker.row(number, x=x, **run.values))
        parameters = {"x": {"type": "float", "low": 0, "high": 1}}
        rows = [{key: value for key, value in row.items() if key not in PARAMETERS} for row in rows]
        changes = {
            "parameters": parameters,
            "study": "noisy_study:NoisyStudy",
            "provenance": {"study": {"data_fingerprint": "abc"}},
        }
        folder = maker.write(rows, curves=False, artefacts=False, **changes)
        for row in rows:
            home = folder / "trials" / str(row["trial"])
            NoisyRun({"x": row["x"], "seed": row["seed"]}).export(home)
            (home / "configuration.yaml").write_text(f"x: {row['x']}\nepochs: 2\nseed: {row['seed']}\n")
        assert rebuild(folder, figures=False).warnings == ()
        return folder

    return make


@pytest.mark.parametrize(("seeds", "spread"), [(3, "of all recorded seeds, pooled"), (1, "of the fresh seeds")])
def test_a_run_that_is_as_recorded_falls_into_its_band(noisy, capsys, seeds, spread):
    folder = noisy(seeds)
    assert main([str(folder / "best/knee"), "--seeds", "4"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "front.csv is what trials.csv gives" in out
    assert "the checkpoint measures what trials.csv has" in out
    assert spread in out
    assert "as recorded: nothing falls behind" in out


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 3])
def test_a_study_that_has_become_worse_falls_outside(noisy, monkeypatch, capsys, seeds):
    folder = noisy(seeds)
    monkeypatch.setattr(NoisyRun, "shift", 0.3)
    assert main([str(folder / "best/kl")]) == 1
    out = capsys.readouterr().out
    assert re.search("not as recorded: behind in stitch_fvu, .*stitch_fvu < 1", out)


@pytest.mark.slow
def test_seeds_that_diverge_are_outside(noisy, monkeypatch, capsys):
    folder = noisy()
    monkeypatch.setattr(NoisyRun, "shift", float("nan"))
    assert main([str(folder / "best/knee"), "--seeds", "2"]) == 1
    assert "not as recorded: diverged with seed 9, 10; behind in" in capsys.readouterr().out


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def tamper_front(folder):
    line = (folder / "front.csv").read_text().splitlines()[1]
    value = next(cell for cell in line.split(",") if cell.startswith("0.") and len(cell) > 8)
    replace(folder / "front.csv", value, "0.0123")


def whole_tables(folder):
    """trials.csv is changed and everything else rebuilt from it, so only the checkpoint knows."""
    value = repr(float(read_run(folder).trials["stitch_fvu"].iloc[1]))
    replace(folder / "trials.csv", value, repr(float(value) * 0.9))
    rebuild(folder, figures=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (tamper_front, "front.csv: trial .* is '0.0123', trials.csv gives '0."),
        (lambda f: (f / "front.csv").unlink(), "front.csv: is missing"),
        (lambda f: replace(f / "front.csv", "knee", "kneel"), "names is 'kneel', trials.csv gives 'knee'"),
        (lambda f: (f / "front.csv").write_text("trial\n1,2\n"), "front.csv: its columns differ"),
        (lambda f: (f / "best/knee/model.safetensors").write_text("{}"), "model.safetensors: is missing, or is not"),
        (lambda f: (f / "trials/1/model.safetensors").write_text("{}"), "is not the checkpoint of trial 1"),
        (lambda f: replace(f / "trials/1/configuration.yaml", "0.5", "0.6"), "is not the configuration of trial 1"),
        (whole_tables, "the checkpoint measures stitch_fvu 0.5.*, trials.csv has 0.4"),
        (lambda f: replace(f / "space.yaml", "abc", "xyz"), "the data are not those of the run"),
    ],
)
def test_records_that_do_not_agree_are_named_and_nothing_is_trained(noisy, monkeypatch, capsys, spoil, message):
    folder = noisy(1)
    spoil(folder)
    monkeypatch.setattr(NoisyRun, "train_epoch", lambda self: pytest.fail("it was trained"))
    assert main([str(folder / "best/knee")]) == 1
    err = capsys.readouterr().err
    assert re.search(message, err), err
    assert "the records do not agree; nothing was trained" in err


@pytest.mark.slow
def test_an_export_without_a_checkpoint_is_trained_again_all_the_same(noisy, capsys):
    folder = noisy(1)
    (folder / "trials/1/model.safetensors").unlink()
    rebuild(folder, figures=False)
    assert main([str(folder / "best/knee"), "--seeds", "2"]) in (0, 1)
    said = capsys.readouterr()
    assert "the checkpoint was not measured: there is none" in said.out
    assert "fresh seeds" in said.out
    assert said.err == ""


@pytest.mark.slow
def test_a_rebuild_mends_a_front_that_was_tampered_with(noisy):
    folder = noisy(1)
    tamper_front(folder)
    assert main([str(folder / "best/knee")]) == 1
    rebuild(folder, figures=False)
    assert main([str(folder / "best/knee")]) == 0


@pytest.mark.parametrize(
    ("place", "arguments", "message"),
    [
        ("best/none", [], "no such folder"),
        (".", [], "is a run folder; give one of .*best: kl, knee, recon"),
        ("trials/1", [], "was not exported by a run"),
        ("best/knee", ["--seeds", "1"], "--seeds 1: expected 2 or more; no point of the run has several seeds"),
    ],
)
def test_a_mistake_is_one_line(noisy, capsys, place, arguments, message):
    assert main([str(noisy(1) / place), *arguments]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert re.search(message, err), err


def test_a_study_that_is_not_there(noisy, capsys):
    folder = noisy(1)
    replace(folder / "space.yaml", "noisy_study:NoisyStudy", "noisy_study:Other")
    assert main([str(folder / "best/knee")]) == 2
    assert "study noisy_study:Other cannot be imported here" in capsys.readouterr().err


def test_an_interruption_is_no_verdict(noisy, monkeypatch, capsys):
    folder = noisy(1)

    def interrupt(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(NoisyRun, "train_epoch", interrupt)
    assert main([str(folder / "best/knee")]) == 130
    assert "stopped before a verdict" in capsys.readouterr().err


def test_a_configuration_with_a_key_twice_is_not_trained(noisy, tmp_path):
    (tmp_path / "configuration.yaml").write_text("x: 0.5\nepochs: 2\nx: 0.6\n")
    with pytest.raises(RecordError, match=r"configuration\.yaml, line 3: .*'x' is given twice.*; rebuild the run"):
        Retraining(read_run(noisy(1)), tmp_path)


def test_fresh_seeds_are_fresh(noisy):
    run = read_run(noisy(1))
    assert fresh_seeds(run, 3) == [3, 4, 5]
    assert not set(fresh_seeds(run, 3)) & set(run.trials["seed"])
