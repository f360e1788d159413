"""Synthetic run folders in the form that a search writes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml

from results.records.tables import CurveTable, TrialTable

START = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)

PARAMETERS = {
    "codebook_size": {"type": "choice", "values": [8, 16, 32, 64]},
    "action_weight": {"type": "float", "low": 0.05, "high": 0.95},
    "num_sub_actions": {"type": "int", "low": 8, "high": 20},
    "method": {"type": "choice", "values": ["action_head", "action_decoder"]},
}
OBJECTIVES = [
    {
        "metric": "stitch_fvu",
        "name": "recon",
        "direction": "minimise",
        "reference": 1.0,
        "unit": "fraction of variance",
    },
    {"metric": "action_kl_ratio", "name": "kl", "direction": "minimise", "reference": 1.0, "unit": "ratio"},
]
GUARDS = {"stitch_fvu": {"below": 1.0}, "window_samples": {"at_least": 8}}


class RunMaker:
    """Writes run folders below one folder."""

    def __init__(self, root: Path):
        self.root = root

    def space(self, name="demo", **changes) -> Path:
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        document = {
            "name": name,
            "study": "model.study:ShapeActionStudy",
            "seed": 0,
            "parameters": PARAMETERS,
            "fixed": {"data": {"name": "BasicMotions"}},
            "objectives": OBJECTIVES,
            "guards": GUARDS,
            "budget": {"trials": 16, "epochs": 4},
            "resources": {},
            "provenance": {"versions": {"torch": "2.13.0"}, "data": "sha256:0123", "created": "2026-01-02"},
            **changes,
        }
        (folder / "space.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
        return folder

    def row(self, number: int, state="finished", **values) -> dict:
        started = START + timedelta(seconds=10 * number)
        return {
            "trial": number,
            "state": state,
            "reason": "" if state == "finished" else f"{state} on purpose",
            "seed": number,
            "epochs": 4,
            "slot": number % 2,
            "seconds": 7.25,
            "started": started,
            "first_step": started + timedelta(seconds=0.5),
            "ended": started + timedelta(seconds=7.25),
            "codebook_size": [8, 16, 32, 64][number % 4],
            "action_weight": 0.1 + 0.01 * number,
            "num_sub_actions": 8 + number % 13,
            "method": ["action_head", "action_decoder"][number % 2],
            **values,
        }

    def write(self, rows, name="demo", artefacts=True, curves=True, **changes) -> Path:
        folder = self.space(name, **changes)
        table = TrialTable(folder, list(changes.get("parameters") or PARAMETERS))
        curve_table = CurveTable(folder) if curves else None
        for row in rows:
            table.append(row)
            if artefacts and row["state"] == "finished":
                home = folder / "trials" / str(row["trial"])
                home.mkdir(parents=True)
                (home / "configuration.yaml").write_text(f"seed: {row['seed']}\nepochs: 4\n")
                (home / "model.safetensors").write_bytes(f"weights of {row['trial']}".encode())
            for epoch in range(1, 5) if curve_table else ():
                values = {"loss": 2.0 / epoch}
                if epoch % 2 == 0 and "stitch_fvu" in row:
                    scale = 1 + (4 - epoch) / 4
                    values |= {m: row[m] * scale for m in ("stitch_fvu", "action_kl_ratio") if m in row}
                curve_table.append({"trial": row["trial"], "epoch": epoch, "seconds": 1.5 * epoch, **values})
        return folder

    def rows(self, points, **values) -> list[dict]:
        """Finished rows at given objective points."""
        return [
            self.row(number, stitch_fvu=float(x), action_kl_ratio=float(y), **{"window_samples": 16.0, **values})
            for number, (x, y) in enumerate(points)
        ]

    def trade(self, count=40, seed=0) -> list[dict]:
        """A run like a real one: a convex trade, failures, stops, and trials that break a guard."""
        rng = np.random.default_rng(seed)
        rows = []
        for number in range(count):
            if number % 11 == 5:
                rows.append(self.row(number, "failed", reason="loss is nan at epoch 3 <b>"))
                continue
            w = rng.uniform(0.05, 0.95)
            away = rng.exponential(0.12)
            x, y = 0.25 + 0.6 * w**2.5 + away, 0.5 + 0.4 * (1 - w) ** 2 + away * rng.uniform(0.2, 0.8)
            state = "stopped" if number % 9 == 7 else "finished"
            window = 4.0 if number % 8 == 3 else 16.0
            rows.append(self.row(number, state, stitch_fvu=x, action_kl_ratio=y, window_samples=window))
        return rows


@pytest.fixture
def maker(tmp_path):
    return RunMaker(tmp_path)


@pytest.fixture(scope="session")
def session_maker(tmp_path_factory):
    """As `maker`, for what many tests look at and none changes."""
    return RunMaker(tmp_path_factory.mktemp("runs"))
