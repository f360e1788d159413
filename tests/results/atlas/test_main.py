"""The atlas from its command line to its files, over both methods and four kinds of codebook."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.evaluation.meaning import load_code_meaning
from model.sub_actions.alternatives import Alternatives
from results.atlas.__main__ import main
from results.atlas.page import atlas_page
from results.atlas.print import write_pictures

pytestmark = pytest.mark.slow  # models that have to be trained

NAMES = ("decoder", "head", "averaged", "many")


@pytest.mark.parametrize("name", NAMES)
def test_the_page_says_what_the_checkpoint_says(
    written: dict[str, Path], small_exports: dict, facts_of: Callable, name: str
) -> None:
    page = (written[name] / "atlas.html").read_text(encoding="utf-8")
    meaning = load_code_meaning(small_exports[name][0] / "model.safetensors")
    about = json.loads((small_exports[name][0] / "config.json").read_text())["about"]
    alternatives = Alternatives.of(meaning.sub_actions, np.array(about["owned"]))
    best, probability = alternatives.likeliest(meaning.distribution, 3)
    assert "<b>5 of 7</b>" in page
    assert "cannot be told apart: they stand together, a | b" in page
    known = {code["c"]: code for code in facts_of(page)["codes"]}
    assert sorted(known) == np.flatnonzero(meaning.tokens).tolist()
    for c, code in known.items():
        assert (code["n"], float(code["share"])) == (meaning.tokens[c], pytest.approx(100 * meaning.share[c], rel=6e-3))
        assert code["sure"] == pytest.approx(meaning.confidence[c], abs=1e-4)
        # The order inside a set is that of the whole page, not of the code.
        named = [(set(facts_of(page)["sub_actions"][k].split(" | ")), p) for k, p in code["q"]]
        sets = [set(alternatives.names[k].split(" | ")) for k in best[c]]
        assert named == [(s, pytest.approx(100 * p, abs=0.51)) for s, p in zip(sets, probability[c], strict=True)]
    unused = len(meaning.tokens) - len(known)
    said = f"{unused} of {len(meaning.tokens)} codes are chosen by no token" if unused else "Every code is in use."
    assert said in page
    # Every code is drawn once, in use or not, and nothing is loaded from anywhere.
    assert sorted(map(int, re.findall(r'id="code-(\d+)"', page))) == list(range(len(meaning.tokens)))
    assert page.count('<svg class="shape"') == len(meaning.tokens)
    assert not re.search(r'(src|href)="(?!data:|#)|url\(|@import|https?://', page)
    assert "toy: the best" in page
    assert "sensor 0 &lt;m/s²&gt;" in page
    assert "sensor 0 <m" not in page
    assert "time (s)" in page


def test_the_same_model_gives_the_same_files(small_exports: dict, written: dict[str, Path], tmp_path: Path) -> None:
    assert main([str(small_exports["head"][0]), "--out", str(tmp_path), "--per-class", "1"]) == 0
    for path in written["head"].iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_for_print_is_drawn_in_both_forms(written: dict[str, Path], name: str) -> None:
    pictures = sorted(path.stem for path in written[name].glob("*.png"))
    assert pictures[:2] == ["atlas-codes", "atlas-matrix"]
    assert len(pictures) == 2 + 3  # a recording of each class
    for stem in pictures:
        image = np.asarray(Image.open(written[name] / f"{stem}.png").convert("L"))
        assert image.shape[1] == 1440  # 7.2 inches at 200 dots
        assert (image < 128).mean() > 0.002
        assert (image[[0, -1]] == 255).all()  # nothing is cut off at the edges
        assert "<svg" in (written[name] / f"{stem}.svg").read_text(encoding="utf-8")[:2000]


def test_it_lies_beside_the_configuration_and_replaces_an_earlier_one(
    small_exports: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = tmp_path / "best"
    shutil.copytree(small_exports["averaged"][0], best / "knee")
    assert main([str(best / "knee")]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == str(best / "knee.atlas" / "atlas.html")
    assert {Path(line).name for line in printed} == {path.name for path in (best / "knee.atlas").iterdir()}
    mine = best / "knee.atlas" / "notes.png"
    mine.write_bytes(b"mine")
    assert main([str(best / "knee"), "--per-class", "0"]) == 0
    assert not list((best / "knee.atlas").glob("atlas-recording*"))
    assert mine.read_bytes() == b"mine"
    assert "None was asked for." in (best / "knee.atlas" / "atlas.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["best/nee"], r"did you mean best/knee\?"),
        (["best"], "expected one such as best/knee of a run; best has knee"),
        (["best/bare"], r"its checkpoint best/bare\.safetensors is missing"),
        (["best/torn"], r"torn/model\.safetensors: cannot be read as a checkpoint"),
        (["best/lost"], r"lost/configuration\.yaml: data: npz: no such file"),
        (["best/knee", "--per-class", "-1"], "--per-class: expected 0 or more"),
        (["best/knee", "--out", "file"], "--out: file is a file; expected a folder"),
        (["best/knee", "--out", "file/below"], "file/below: cannot be read or written"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    small_exports: dict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("knee", "torn", "lost"):
        shutil.copytree(small_exports["averaged"][0], Path("best", name))
    Path("best/bare.yaml").write_bytes(Path("best/knee/configuration.yaml").read_bytes())
    Path("best/torn/model.safetensors").write_bytes(b"torn")
    lost = Path("best/lost/configuration.yaml")
    lost.write_text(re.sub(r"npz: .*", "npz: /nowhere/lost.npz", lost.read_text()))
    Path("file").touch()
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert re.search(message, printed.err)
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("error: ")
    assert printed.out == ""


@pytest.mark.parametrize("fused", [True, False])
def test_a_large_codebook_of_many_channels_is_a_small_file(large_atlas: Callable, fused: bool) -> None:
    page = atlas_page(large_atlas(512, 45, 12, fused=fused, samples=3_000))
    assert len(page.encode()) < 10_000_000
    assert page.count('<svg class="shape"') == 512
    assert "The first 10 of 45 channels are drawn." in page
    assert "4 more channels" in page


def test_a_large_codebook_is_cut_into_pages_for_print(large_atlas: Callable, tmp_path: Path) -> None:
    view = large_atlas(180, 1, 1, fused=False)
    names = {path.name for path in write_pictures(view, tmp_path)}
    pages = sorted(name for name in names if name.startswith("atlas-codes-") and name.endswith(".png"))
    assert 2 <= len(pages) <= 4
    assert max(Image.open(tmp_path / name).size[1] for name in pages) <= 9.6 * 200
    assert "atlas-codes.png" not in names
