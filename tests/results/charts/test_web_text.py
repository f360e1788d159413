"""Names in charts of the page: shown as they are, and never read as HTML."""

import pytest

from results import read_run
from results.charts.encoding import encode
from results.charts.importance import importances
from results.charts.parallel import parallel_lines
from results.charts.style import literal
from results.charts.web.bars import importance_chart
from results.charts.web.front import front_charts
from results.charts.web.lines import hypervolume_charts, parallel_chart
from results.front.overview import overview


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a \"b\" 'c'", "a \"b\" 'c'"), ("<b>a</b>", "&lt;b&gt;a&lt;/b&gt;"), ("a & &lt;", "a &amp; &amp;lt;")],
)
def test_a_text_is_shown_as_it_is(text, shown):
    assert literal(text) == shown


def test_quotation_marks_stand_in_every_chart_and_tags_in_none(maker):
    name = 'the "size" <b>'
    parameters = {name: {"type": "choice", "values": ['"8"', '"16"']}}
    parameters["action_weight"] = {"type": "float", "low": 0.05, "high": 0.95}
    rows = [{**row, name: f'"{8 * (1 + row["trial"] % 2)}"'} for row in maker.trade(40)]
    for row in rows:
        for other in ("codebook_size", "num_sub_actions", "method"):
            del row[other]
    view = overview({'run "1" <b>': read_run(maker.write(rows, parameters=parameters))}, "demo")
    encoding = encode(view)
    charts = [*front_charts(view, encoding), *hypervolume_charts(view), importance_chart(*importances(view))]
    charts.append(parallel_chart(view, encoding, parallel_lines(view)))
    text = "".join(chart.to_json() for chart in charts)
    assert "&quot;" not in text
    assert "&#x27;" not in text
    assert "size" in text
    assert "&lt;b&gt;" in text
    assert "<b>the" not in text.replace("\\u003c", "<")
