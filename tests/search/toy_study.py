"""A cheap two-objective study: analytic values, noise by the seed and every misbehaviour on request."""

import json
import math
import os
import random
import signal
import time
from pathlib import Path

KNOWN = {"data", "width", "x", "kind", "level", "sleep_s", "misbehave", "nested", "noise", "epochs", "seed", "threads"}
KNOWN |= {"stages", "model_mib"}

GROWN = []  # what a leak would leave behind


def model(seed, size_mib):
    """Weights of that size, others for each seed."""
    piece = random.Random(seed).randbytes(1 << 20)
    return b"".join(number.to_bytes(8, "big") + piece[8:] for number in range(size_mib))


def load_through_shared_memory():
    """Hand tensors over as a loader of data does, through /dev/shm, 1 MiB each."""
    import torch
    from torch.utils.data import DataLoader

    for _ in DataLoader(torch.zeros(8, 1 << 18), num_workers=1):
        pass


class ToyRun:
    def __init__(self, configuration, data):
        self.configuration = dict(configuration)
        self.data = data
        self.epoch = 0
        self.chain = float(configuration["seed"])
        if self.trouble() == "build":
            raise RuntimeError("cannot build\nthis one")

    def trouble(self):
        mishaps = self.configuration.get("misbehave") or {}
        return mishaps.get(str(self.configuration["seed"])) or mishaps.get("all")

    @property
    def x(self):
        """The value of the stage whose epoch was trained last."""
        end = 0
        for stage in self.configuration.get("stages", ()):
            end += stage["epochs"]
            if self.epoch <= end:
                return stage["x"]
        return self.configuration["x"]

    def train_epoch(self):
        self.epoch += 1
        time.sleep(self.configuration.get("sleep_s", 0.0))
        if self.trouble() == "talk":
            print(f"epoch {self.epoch}")
            os.write(2, b"from C\n")
        if self.trouble() == "nan" and self.epoch == 2:
            return {"loss": math.nan}
        if self.trouble() == "raise" and self.epoch == 2:
            raise KeyError("no such thing")
        if self.trouble() == "die":
            os.kill(os.getpid(), 9)
        if self.trouble() == "die_once" and self.first_time():
            os.kill(os.getpid(), 9)
        if self.trouble() == "die_late" and self.epoch == 7 and self.first_time():
            os.kill(os.getpid(), 9)
        if self.trouble() == "hang" and self.epoch == 7 and self.first_time():
            os.kill(os.getpid(), signal.SIGSTOP)
        if self.trouble() == "hang_always" and self.epoch == 7:
            time.sleep(3600)
        if self.trouble() == "loader" and self.epoch == 7:
            load_through_shared_memory()
        if self.trouble() == "grow" and not GROWN:
            GROWN.append(bytearray(b"x" * (5 << 28)))
        # every epoch follows from the one before it, so a trial that lost or doubled one would end with another value
        self.chain = (self.chain * 3.7 + self.x) % 1.0
        return {"loss": 1.0 / self.epoch, "part": 0.5}

    def first_time(self):
        marker = Path(f"{self.data['died']}-{self.configuration['seed']}")
        known = marker.exists()
        marker.touch()
        return not known

    def evaluate(self):
        x, width = self.x, self.configuration["width"]
        progress = 1.0 - math.exp(-self.epoch)
        noise = self.configuration.get("noise", 0.0) * math.sin(1e4 * self.configuration["seed"])
        title = Path("/proc/self/cmdline").read_bytes().split(b"\0")[0].decode()
        return {
            "first": x**2 + 1.0 / width + noise,
            "second": (x - 1.0) ** 2 + 0.1 * (self.configuration["kind"] == "b"),
            "progress": progress,
            "chain": self.chain,
            "train_worker": float(title.startswith("ray::RayTrainWorker")),
            "pid": float(os.getpid()) if self.configuration.get("nested") else 0.0,
            "threads_given": float(os.environ.get("OMP_NUM_THREADS", 0)),
        }

    def save(self, folder):
        (folder / "state.json").write_text(json.dumps([self.epoch, self.chain]))

    def restore(self, folder):
        self.epoch, self.chain = json.loads((folder / "state.json").read_text())

    def export(self, folder):
        size = self.configuration.get("model_mib", 0)
        (folder / "model.safetensors").write_bytes(model(self.configuration["seed"], size) if size else b"toy")
        if size:
            (folder / "written.txt").write_text(str(folder))


class ToyStudy:
    metrics = ("first", "second", "progress", "chain", "train_worker", "pid", "threads_given")
    continuable = ("x",)

    @classmethod
    def resolve(cls, fixed, folder):
        for key in fixed:
            if key not in KNOWN:
                raise ValueError(f"{key}: unknown key")
        if "data" in fixed and not (folder / fixed["data"]["file"]).exists():
            raise ValueError(f"data.file: there is no file {folder / fixed['data']['file']}")
        return {"sleep_s": 0.0, "width": 4, "epochs": 9, **fixed}

    def __init__(self, resolved):
        self.data = {"died": resolved.get("nested", {}).get("died", "")}

    def __setstate__(self, state):
        """Come to a worker, where a file may say what goes wrong then."""
        self.__dict__.update(state)
        mishap = Path(f"{self.data['died']}-loading")
        if mishap.exists() and mishap.read_text() == "die":
            os.kill(os.getpid(), 9)
        if mishap.exists():
            raise RuntimeError("no such library here")

    def check(self, configuration):
        for key in configuration:
            if key not in KNOWN:
                raise ValueError(f"{key}: unknown key")
        if configuration["width"] > 1000:
            raise ValueError("width: at most 1000")

    def provenance(self):
        return {"data": "none"}

    def trial(self, configuration, device):
        assert device == "cpu"
        return ToyRun(configuration, self.data)
