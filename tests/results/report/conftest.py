"""One report for all who look at it."""

import pytest

from results import read_run
from results.front.overview import overview
from results.report.report import write_report


@pytest.fixture(scope="session")
def report_page(session_maker, tmp_path_factory):
    """The file of a report with failures, stops and broken guards; not to be changed."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    run = read_run(session_maker.write(session_maker.trade(40)))
    write_report(overview({"demo": run}, "demo"), path, ["a <warning>"])
    return path
