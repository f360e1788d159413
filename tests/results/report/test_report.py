"""The report and the figure: self-contained, complete, escaped."""

import base64
import gzip
import json
import re

import numpy as np
import pytest

from results import read_run
from results.charts.encoding import encode
from results.charts.print.front import front_figure
from results.charts.style import axis_limits, outside_note, print_style
from results.charts.web.points import point_columns
from results.front.overview import overview
from results.records.text import short
from results.report.page import TEMPLATES, packed

# Whatever makes a browser ask for another file.
LOADED = re.compile(r"<(script|link|img)\b[^>]*\s(src|href)=|url\(|@import")


def unpacked(page, name):
    """What a page holds packed."""
    (letters,) = re.findall(rf'<script type="text/plain" id="{name}">(.*?)</script>', page, re.DOTALL)
    return gzip.decompress(base64.b64decode(letters)).decode()


def view_of(folder):
    return overview({"demo": read_run(folder)}, "demo")


@pytest.fixture(scope="module")
def report(report_page):
    return report_page.read_text()


@pytest.mark.slow
def test_report_opens_offline(report):
    assert "Plotly" in unpacked(report, "plotly")
    assert len(report) < 2_200_000
    markup = re.sub(r"(?<=<script)([^>]*>).*?(?=</script>)", r"\1", report, flags=re.DOTALL)
    assert "http" not in markup
    assert not LOADED.search(markup)


def test_report_shows_everything(report):
    for title in ("Front", "On the front", "Hypervolume", "Learning curves", "Trials that did not count"):
        assert f"<h2>{title}</h2>" in report
    assert "loss is nan at epoch 3 &lt;b&gt;" in report
    assert "guard not kept: window_samples ≥ 8" in report
    assert "a &lt;warning&gt;" in report
    assert "torch: 2.13.0" in report
    assert 'name="viewport"' in report


def test_what_is_packed_does_not_depend_on_the_moment(report, monkeypatch):
    assert unpacked(f'<script type="text/plain" id="a">{packed("ä < b")}</script>', "a") == "ä < b"
    before = packed("a")
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert packed("a") == before


def test_a_point_tells_its_guards_and_other_metrics(maker):
    rows = maker.rows([[0.5, 0.5], [0.4, 0.6], [0.3, 0.7]], entropy=0.25)
    rows[1]["window_samples"] = 4.0
    points = point_columns(view_of(maker.write(rows)))
    assert points["title"] == ["trial 0", "trial 1", "trial 2"]
    assert points["objectives"][0] == {"name": "stitch_fvu", "values": ["0.5", "0.4", "0.3"]}
    assert points["guards"] == [
        {"metric": "stitch_fvu", "bounds": "< 1", "values": ["0.5", "0.4", "0.3"], "broken": []},
        {"metric": "window_samples", "bounds": "≥ 8", "values": ["16", "4", "16"], "broken": [1]},
    ]
    assert {"name": "codebook_size", "values": ["8", "16", "32"]} in points["parameters"]
    assert points["metrics"] == [{"name": "entropy", "values": ["0.25"] * 3}]


def test_every_chart_has_a_name_in_words_and_figures_are_in_the_page(report):
    charts = json.loads(unpacked(report, "page-data"))["charts"]
    named = re.findall(r'class="chart" id="([\w-]+)" role="img" aria-label="([^"]+)"', report)
    assert [name for name, _ in named] == list(charts)
    says = dict(named)
    assert says["front-0"].startswith("Scatter chart of stitch_fvu and action_kl_ratio. 10 of ")
    assert re.search(r"; knee at stitch_fvu 0\.3636, action_kl_ratio 0\.6068[;.]", says["front-0"]), says["front-0"]


def test_tables_escape_and_align():
    table = TEMPLATES.get_template("report/macros.html.j2").module.table
    made = table(["n", "<t>"], [["1", "<i>"], ["2.5", "x"]], emphasised=("<t>",))
    assert '<th scope="col" class="number">n</th><th scope="col" class="">&lt;t&gt;</th>' in made
    assert '<td class="number">2.5</td><td class=""><b>x</b></td>' in made
    assert "<b>&lt;i&gt;</b>" in made


def test_short_values():
    assert [short(v) for v in (0.123456, float("nan"), None, 3, "x", np.float64(2))] == [
        "0.1235",
        "",
        "",
        "3",
        "x",
        "2",
    ]


def test_colour_and_marker_come_from_the_space(maker):
    found = encode(view_of(maker.write(maker.rows([[0.5, 0.5], [0.4, 0.6], [0.3, 0.7]]))))
    assert (found.colour_title, found.marker_title) == ("codebook_size", "method")
    assert [label for label, *_ in found.colour_legend] == ["8", "16", "32", "64"]
    assert found.markers == (0, 1, 0)
    assert len(set(found.colours)) == 3


def test_other_spaces_are_drawn_too(maker, tmp_path):
    parameters = {
        "rate": {"type": "log", "low": 1e-4, "high": 1e-2},
        "layers": {"type": "int", "low": 1, "high": 40},
    }
    rows = [
        {k: v for k, v in row.items() if k not in ("codebook_size", "action_weight", "num_sub_actions", "method")}
        for row in maker.rows([[0.05 * n, 1 - 0.04 * n] for n in range(20)])
    ]
    rows = [dict(row, rate=1e-3, layers=n) for n, row in enumerate(rows)]
    view = view_of(maker.write(rows, parameters=parameters))
    found = encode(view)
    assert (found.colour_title, found.marker_title) == ("layers", "")
    assert [label for label, *_ in found.colour_legend] == ["0", "5", "10", "14", "19"]
    with print_style():
        assert front_figure(view).axes
    only_rate = {"rate": parameters["rate"]}
    for row in rows:
        del row["layers"]
    assert encode(view_of(maker.write(rows, "plain", parameters=only_rate))).colour_title == ""


def test_a_hopeless_trial_does_not_squash_the_axis(maker):
    view = view_of(maker.write(maker.rows([[0.2, 0.9], [0.6, 0.3], [50.0, 0.2], [1.0, 0.2]])))
    values = view.trials["stitch_fvu"].to_numpy()
    low, high = axis_limits(view, values, 1.0)
    assert low < 0.2
    assert 1.0 < high < 1.2
    points = np.stack([values, values], axis=1)
    assert outside_note(view, points, (low, high), (low, high)) == "1 guard-breaking trial outside"
