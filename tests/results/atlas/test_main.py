"""The atlas from its command line to a real browser, over both methods and four kinds of codebook."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.configuration.reading import Configuration
from model.evaluation.meaning import CodeMeaning, load_code_meaning
from model.pretrained.atlas import CodeAtlas, Example
from model.sub_actions.alternatives import Alternatives
from results.atlas.__main__ import main
from results.atlas.page import atlas_page
from results.atlas.print import write_pictures
from results.atlas.view import AtlasView

pytestmark = pytest.mark.slow  # a browser, and models that have to be trained

NAMES = ("decoder", "head", "averaged", "many")
PHONE, DESK = 400, 1280


@pytest.fixture(scope="module")
def written(small_exports: dict, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("atlas")
    for name, (path, _) in small_exports.items():
        assert main([str(path), "--out", str(folder / name), "--per-class", "1"]) == 0
    return {name: folder / name for name in small_exports}


def facts(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


@pytest.mark.parametrize("name", NAMES)
def test_the_page_says_what_the_checkpoint_says(written: dict[str, Path], small_exports: dict, name: str) -> None:
    page = (written[name] / "atlas.html").read_text(encoding="utf-8")
    meaning = load_code_meaning(small_exports[name][0] / "model.safetensors")
    about = json.loads((small_exports[name][0] / "config.json").read_text())["about"]
    alternatives = Alternatives.of(meaning.sub_actions, np.array(about["owned"]))
    best, probability = alternatives.likeliest(meaning.distribution, 3)
    assert "<b>5 of 7</b>" in page
    assert "cannot be told apart: they stand together, a | b" in page
    known = {code["c"]: code for code in facts(page)["codes"]}
    assert sorted(known) == np.flatnonzero(meaning.tokens).tolist()
    for c, code in known.items():
        assert (code["n"], float(code["share"])) == (meaning.tokens[c], pytest.approx(100 * meaning.share[c], rel=6e-3))
        assert code["sure"] == pytest.approx(meaning.confidence[c], abs=1e-4)
        # The order inside a set is that of the whole page, not of the code.
        named = [(set(facts(page)["sub_actions"][k].split(" | ")), p) for k, p in code["q"]]
        sets = [set(alternatives.names[k].split(" | ")) for k in best[c]]
        assert named == [(s, pytest.approx(100 * p, abs=0.51)) for s, p in zip(sets, probability[c], strict=True)]
    unused = len(meaning.tokens) - len(known)
    said = f"{unused} of {len(meaning.tokens)} codes are chosen by no token" if unused else "Every code is in use."
    assert said in page
    # Every code is drawn once, in use or not, and nothing is loaded from anywhere.
    assert sorted(map(int, re.findall(r'id="code-(\d+)"', page))) == list(range(len(meaning.tokens)))
    assert page.count('<svg class="shape"') == len(meaning.tokens)
    assert not re.search(r'(src|href)="(?!data:)|url\(|@import|https?://', page)
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


def large(codes: int, channels: int, classes: int, *, fused: bool, samples: int = 512) -> AtlasView:
    """An atlas that no test could train: many codes and channels, long series."""
    rng = np.random.default_rng(0)
    actions, tokens, lanes = 24, 32, channels if fused else 1
    names = tuple(f"a rather long name of sub-action {k}" for k in range(actions))
    titles = tuple(f"class {y}" for y in range(classes))
    q = rng.dirichlet(np.full(actions, 0.1), codes).astype(np.float32)
    counts = rng.integers(0, 90, (codes, classes)) * (np.arange(codes) % 9 > 0)[:, None]
    wave = np.sin(np.linspace(0, 6, 64) * rng.uniform(0.3, 2, (codes, lanes, 1))) + rng.normal(
        0, 0.1, (codes, lanes, 64)
    )
    number = np.full(codes, 0.5, np.float32)
    shapes = (wave / wave.std(-1, keepdims=True)).astype(np.float32)
    meaning = CodeMeaning(shapes, q, q, counts, 10 * number, number, number, names, titles)
    rows = 1 if fused else channels
    examples = []
    for n in range(2 * classes):
        chosen = rng.integers(1, codes, (rows, tokens))
        start = np.tile(np.arange(tokens) / tokens, (rows, 1)) * 0.95
        x = np.cumsum(rng.normal(0, 0.2, (channels, samples)), 1)
        length = np.full((rows, tokens), 1.9 / tokens)
        examples.append(Example(n, n // 2, n // 2, 0.5, x, x + 0.1, start, length, chosen, q[chosen]))
    configuration = Configuration(vocabulary={}, architecture={"tokens": tokens}, codebook_size=codes)
    owned = rng.random((classes, actions)) < 0.3
    named = tuple(f"channel {c}" for c in range(channels))
    atlas = CodeAtlas(meaning, configuration, named, owned, tuple(examples), 2 * classes, "large", samples, None)
    return AtlasView(atlas, "Atlas of large", "large: the knee of the front, trial 1.")


@pytest.mark.parametrize("fused", [True, False])
def test_a_large_codebook_of_many_channels_is_a_small_file(fused: bool) -> None:
    page = atlas_page(large(512, 45, 12, fused=fused, samples=3_000))
    assert len(page.encode()) < 10_000_000
    assert page.count('<svg class="shape"') == 512
    assert "The first 10 of 45 channels are drawn." in page
    assert "4 more channels" in page


def test_a_large_codebook_is_cut_into_pages_for_print(tmp_path: Path) -> None:
    view = large(180, 1, 1, fused=False)
    names = {path.name for path in write_pictures(view, tmp_path)}
    pages = sorted(name for name in names if name.startswith("atlas-codes-") and name.endswith(".png"))
    assert 2 <= len(pages) <= 4
    assert max(Image.open(tmp_path / name).size[1] for name in pages) <= 9.6 * 200
    assert "atlas-codes.png" not in names


@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("name", NAMES)
def test_a_browser_draws_everything_without_a_fault(
    browser: Any, written: dict[str, Path], name: str, width: int
) -> None:
    browser.open(written[name] / "atlas.html", width=width)
    browser.script("for (const folded of document.querySelectorAll('details')) folded.open = true")
    assert (browser.errors(), browser.overflow_px()) == ([], 0)
    empty = browser.script(
        """return [...document.querySelectorAll('svg')].filter(svg => {
          const box = svg.getBoundingClientRect();
          const drawn = [...svg.querySelectorAll('path, rect, image')].filter(part => part.getBBox().width > 0);
          return box.width < 60 || box.height < 20 || drawn.length === 0;
        }).map(svg => svg.outerHTML.slice(0, 120))"""
    )
    assert empty == []
    outside = browser.script(
        """return [...document.querySelectorAll('.code *')].filter(part =>
          part.getBoundingClientRect().right > part.closest('.code').getBoundingClientRect().right + 0.5).length"""
    )
    assert outside == 0


def order(browser: Any) -> list[int]:
    return browser.script("return [...document.querySelectorAll('#codes .code')].map(card => +card.dataset.c)")


def test_a_browser_sorts_and_filters(browser: Any, written: dict[str, Path]) -> None:
    browser.open(written["decoder"] / "atlas.html", width=DESK)
    known = {code["c"]: code for code in facts((written["decoder"] / "atlas.html").read_text())["codes"]}
    first = order(browser)
    keys = {
        "use": lambda c: (-known[c]["n"], c),
        "sureness": lambda c: (-known[c]["sure"], c),
        "number": lambda c: c,
    }
    for by, key in keys.items():
        (button,) = browser.all(f"[data-by={by}]")
        browser.script("arguments[0].click()", button)
        assert order(browser) == sorted(known, key=key)
        columns = browser.script(
            "return [...document.querySelectorAll('.matrix g')].sort((a, b) => a.transform.baseVal[0].matrix.e -"
            "b.transform.baseVal[0].matrix.e).map(g => +g.dataset.c)"
        )
        assert columns == order(browser)
        assert not any(heading.is_displayed() for heading in browser.all("#codes h3"))
    browser.script("document.querySelector('[data-by=sub-action]').click()")
    assert order(browser) == first
    assert all(heading.is_displayed() for heading in browser.all("#codes h3"))
    chosen = known[first[0]]["q"][0][0]
    browser.script(
        "const only = document.getElementById('only'); only.value = arguments[0];"
        "only.dispatchEvent(new Event('change'))",
        str(chosen),
    )
    shown = [c for c, card in zip(order(browser), browser.all("#codes .code"), strict=True) if card.is_displayed()]
    assert shown == [c for c in first if known[c]["q"][0][0] == chosen]
    assert [heading.is_displayed() for heading in browser.all("#codes h3")].count(True) == 1


def test_a_browser_says_what_the_mouse_is_on(browser: Any, written: dict[str, Path]) -> None:
    browser.open(written["decoder"] / "atlas.html", width=DESK)
    known = facts((written["decoder"] / "atlas.html").read_text())
    tip = browser.all("#tip")[0]
    (matrix,) = browser.all(".matrix")
    box = browser.script("const b = arguments[0].getBoundingClientRect(); return [b.width, b.height]", matrix)
    codes, rows = known["codes"], known["rows"]
    column, row = 2, 1
    x = ((column + 0.5) / len(codes) - 0.5) * box[0]
    y = ((known["bar"] + row + 0.5) / (known["bar"] + len(rows)) - 0.5) * box[1]
    c, p = codes[column]["c"], codes[column]["all"][row] / 100
    cell = f"code {c}\n{p:.2f} {known['sub_actions'][rows[row]]}"
    # Scrolling hides the note, so the mouse moves again once the page has come to rest; here and below.
    browser.wait(lambda: browser.hover(matrix, x, y) or cell in tip.text, "code of the cell")
    assert f"{codes[column]['n']} tokens" in tip.text
    token, (card, *_), (likely, *_) = browser.all(".token")[3], browser.all("#codes .code"), browser.all(".likely rect")
    for element, words in (
        (token, (f"code {token.get_attribute('data-c')}, token 4", "length", " s\n")),
        (likely, ("probability", " s")),
        (card, (f"code {card.get_attribute('data-c')}\n", "nats")),
    ):
        browser.wait(lambda e=element, w=words: browser.hover(e) or all(word in tip.text for word in w), words[0])
    browser.wait(lambda: browser.hover(browser.all("h1")[0]) or not tip.is_displayed(), "end of the note")
    browser.script("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", token)
    assert browser.script("return location.hash") == f"#code-{token.get_attribute('data-c')}"
    assert browser.errors() == []


@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("fused", [True, False])
def test_a_browser_opens_a_large_atlas(browser: Any, tmp_path: Path, width: int, fused: bool) -> None:
    page = tmp_path / "atlas.html"
    page.write_text(atlas_page(large(512, 45, 12, fused=fused)), encoding="utf-8")
    browser.open(page, width=width)
    assert (browser.errors(), browser.overflow_px()) == ([], 0)
    browser.script("document.querySelector('[data-by=use]').click()")
    assert len(order(browser)) == 455
    assert browser.errors() == []
