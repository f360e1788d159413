"""The conformance suite passes on the studies of the house, and fails a study for each promise that it breaks."""

import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from search.testing import StudySuite, _opened

SPACES = Path(__file__).parents[2] / "spaces"


@pytest.mark.slow
class TestShapeActionStudy(StudySuite):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def small(cls, tmp_path_factory):
        """The shipped space, narrow enough to train an epoch in a second."""
        document = yaml.safe_load((SPACES / "tradeoff.yaml").read_text())
        document["fixed"]["vocabulary"] = str(SPACES / "sub_actions" / "basic_motions.yaml")
        narrow = {"length": 128, "width": 16, "heads": 2, "expansion": 2}
        narrow |= {"encoder_layers": 1, "tokenizer_layers": 1, "decoder_layers": 1}
        document["fixed"] |= {"architecture": narrow, "alignment": {"width": 16, "heads": 2}}
        file = tmp_path_factory.mktemp("space") / "small.yaml"
        file.write_text(yaml.safe_dump(document))
        cls.space_file = file


class TestToyStudy(StudySuite):
    @pytest.fixture(autouse=True)
    def toy(self, space_folder):
        type(self).space_file = space_folder / "toy.yaml"
        yield
        _opened.cache_clear()


SWEEP = {"parameter": "x", "factors": [0.5], "epochs": 1}
SUITE = [name for name in vars(StudySuite) if name.startswith("test_")]
GOOD = """
import json
import numpy as np

class Run:
    def __init__(self, configuration, data):
        self.rng, self.data = np.random.default_rng(configuration["seed"]), data
        self.x, self.epoch, self.stages = self.rng.random(), 0, configuration.get("stages", [])

    def train_epoch(self):
        values = [stage["x"] for stage in self.stages for _ in range(stage["epochs"])]
        self.x = 0.9 * self.x + 0.01 * self.rng.random() + sum(values[self.epoch : self.epoch + 1])
        self.epoch += 1
        return {"loss": self.x}

    def evaluate(self):
        return {"first": self.x + float(self.data.mean()), "second": 1.0 - self.x, "progress": 1.0}

    def save(self, folder):
        (folder / "state.json").write_text(json.dumps([self.x, self.rng.bit_generator.state, self.epoch]))

    def restore(self, folder):
        self.x, self.rng.bit_generator.state, self.epoch = json.loads((folder / "state.json").read_text())

    def export(self, folder):
        (folder / "model.safetensors").write_bytes(b"model")

def known(values):
    for key in values:
        if key not in ("x", "width", "kind", "sleep_s", "epochs", "seed", "threads", "stages"):
            raise ValueError(f"{key}: unknown key")
    return dict(values)

class Mine:
    metrics = ("first", "second", "progress")
    continuable = ("x",)

    def __init__(self, resolved):
        self.data = np.arange(1000.0)

    @classmethod
    def resolve(cls, fixed, folder):
        return known(fixed)

    def check(self, configuration):
        known(configuration)

    def provenance(self):
        return {"data": "counted"}

    def trial(self, configuration, device):
        return Run(configuration, self.data)
"""
# What breaks each promise: a piece of the good study, and what stands there instead.
BROKEN = {
    "test_it_has_what_a_search_calls": ('("first", "second"', '("second"'),
    "test_resolving_twice_changes_nothing_more": ("return known(fixed)", 'return {**fixed, "sleep_s": str(folder)}'),
    "test_a_typo_is_refused_in_one_line_that_names_it": ("        known(configuration)", "        pass"),
    "test_every_corner_can_be_trained_on": ("        known(configuration)", '        known({"nothing": 1})'),
    "test_provenance_is_plain_and_the_same_each_time": ('"counted"', "(1, 2)"),
    "test_it_says_in_lines_what_it_prepares": (
        "    def provenance",
        "    def prepare(self, configurations, folder):\n        return [1]\n\n    def provenance",
    ),
    "test_losses_and_metrics_are_finite_numbers": ('"loss": self.x', '"loss": self.x, "epoch": 1'),
    "test_measuring_changes_nothing": ('"first": self.x', '"first": self.x + self.rng.random()'),
    "test_a_trial_depends_on_its_configuration_alone": ('np.random.default_rng(configuration["seed"])', "SHARED"),
    "test_a_restored_run_goes_on_to_the_same_values": (
        "self.x, self.rng.bit_generator.state, self.epoch =",
        "self.x, _, self.epoch =",
    ),
    "test_a_training_that_goes_on_is_its_stages_in_one_go": (".state, self.epoch = json", ".state, _ = json"),
    "test_the_model_is_exported_into_its_folder_alone": ('"model.safetensors"', '"model.bin"'),
    "test_it_needs_no_search": ("import json\n", "import json\nfrom search.protocol import Study\n"),
}


def suite_of(folder: Path, document: dict, source: str) -> StudySuite:
    _opened.cache_clear()
    sys.modules.pop("mine", None)
    (folder / "mine.py").write_text(source)
    (folder / "mine.yaml").write_text(yaml.safe_dump({**document, "study": "mine:Mine", "sweep": SWEEP}))
    return type("TestMine", (StudySuite,), {"space_file": folder / "mine.yaml"})()


def run(suite: StudySuite, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {"tmp_path": folder, "monkeypatch": monkeypatch}
    test = getattr(suite, name)
    test(**{key: wanted[key] for key in test.__code__.co_varnames[1 : test.__code__.co_argcount]})


@pytest.mark.parametrize("name", SUITE)
def test_each_promise_that_is_broken_is_found_and_a_good_study_passes(name, space_folder, document, monkeypatch):
    scratch = space_folder / "scratch"
    scratch.mkdir()
    run(suite_of(space_folder, document, GOOD), name, scratch, monkeypatch)
    good, bad = BROKEN[name]
    assert good in GOOD
    source = GOOD.replace(good, bad).replace("class Run:", "SHARED = np.random.default_rng(0)\n\nclass Run:")
    again = space_folder / "again"
    again.mkdir()
    with pytest.raises((AssertionError, ValueError, pytest.fail.Exception)):
        run(suite_of(space_folder, document, source), name, again, monkeypatch)


def test_a_study_that_writes_into_its_shared_arrays_is_found(space_folder, document):
    source = GOOD.replace("self.x = 0.9 * self.x", "self.data[0] = 1.0\n        self.x = 0.9 * self.x")
    suite = suite_of(space_folder, document, source)
    assert not np.asarray(suite.study.data).flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        suite.test_measuring_changes_nothing()
