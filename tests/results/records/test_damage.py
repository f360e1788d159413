"""A report of a damaged or older run: one line per loss, and the rest still reported."""

import itertools

import numpy as np
import pandas as pd
import pytest
import yaml

from results import RecordError, read_curves, read_run, rebuild
from results.__main__ import main
from results.exceptions import DamagedLine
from results.records.curves import BLOCK_BYTES, parse_curves
from results.records.files import MOST_LINES, LeftOut, frame_text

POINTS = [[0.2, 0.9], [0.3, 0.3], [0.9, 0.2], [0.95, 0.95]]


def change_line(path, number, change):
    lines = path.read_bytes().split(b"\n")
    lines[number - 1] = change(lines[number - 1])
    path.write_bytes(b"\n".join(lines))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line + b",1", "expected 17 cells, found 18"),
        (lambda line: line.replace(b"finished", b"ready"), "state: 'ready' does not fit"),
        (lambda line: line.replace(b"finished", b""), "state: '' does not fit (expected one of finished"),
        (lambda line: line.replace(b"0.3", b"O.3"), "'O.3' does not fit"),
        (lambda line: b"0" + line[1:], "trial 0 has a row already in line 2"),
        (lambda line: line[1:], "no trial id"),
        (lambda line: b"\xff" + line, "not a line of CSV text"),
        (lambda line: b'"' + line, "not a line of CSV text"),
        (lambda line: line.replace(b",1,4,", b",99999999999999999999,4,"), "seed: '99999999999999999999' does not fit"),
    ],
)
def test_a_damaged_trial_is_left_out_and_the_rest_is_reported(maker, change, message):
    folder = maker.write(maker.rows(POINTS))
    change_line(folder / "trials.csv", 3, change)
    made = rebuild(folder, figures=False)
    (warning,) = made.warnings
    assert warning.startswith("demo/trials.csv, line 3: ")
    assert message in warning
    assert warning.endswith("; the line is left out")
    assert pd.read_csv(folder / "front.csv")["trial"].tolist() == [0, 2]


@pytest.mark.slow
def test_the_command_and_the_report_say_what_is_left_out(maker, capsys):
    folder = maker.write(maker.rows(POINTS))
    change_line(folder / "trials.csv", 3, lambda line: line.replace(b"0.3", b"O.3"))
    assert main([str(folder)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    (warning,) = [line for line in out.splitlines() if line.startswith("warning")]
    assert warning.startswith("warning: demo/trials.csv, line 3: ")
    assert "&#39;O.3&#39; does not fit" in (folder / "report.html").read_text()


def test_many_damaged_lines_are_counted(maker):
    folder = maker.write(maker.rows(np.tile([[0.5, 0.5]], (MOST_LINES + 5, 1))), curves=False)
    text = (folder / "trials.csv").read_text().replace("finished", "done")
    (folder / "trials.csv").write_text(text)
    warnings = read_run(folder).warnings
    assert len(warnings) == MOST_LINES + 1
    assert warnings[-1] == "demo/trials.csv: 5 further damaged lines are left out"


def test_unknown_columns(maker):
    rows = [dict(row, accuracy=0.5, note="looks good") for row in maker.rows(POINTS)]
    folder = maker.write(rows)
    run = read_run(folder)
    assert "accuracy" in run.trials
    assert "note" not in run.trials
    assert run.warnings == ("demo/trials.csv: column 'note' is unknown and holds no numbers; it is left out",)
    assert len(rebuild(folder, figures=False).front) == 3


def test_a_column_too_few_is_refused(maker):
    folder = maker.write(maker.rows(POINTS))
    for name, gone in (("trials.csv", ["first_step", "slot"]), ("curves.csv", ["seconds"])):
        text = pd.read_csv(folder / name, dtype=str, keep_default_na=False).drop(columns=gone).to_csv(index=False)
        (folder / name).write_text(text)
    with pytest.raises(RecordError, match=r"trials\.csv, line 1: no column slot, first_step; restore the header"):
        read_run(folder)
    with pytest.raises(RecordError, match=r"curves\.csv, line 1: expected trial, epoch, seconds first"):
        read_curves(folder)


def test_keys_that_a_space_can_do_without(maker):
    folder = maker.write(maker.rows(POINTS))
    document = yaml.safe_load((folder / "space.yaml").read_text())
    for key in ("guards", "budget", "provenance", "seed", "fixed"):
        del document[key]
    (folder / "space.yaml").write_text(yaml.safe_dump(document))
    run = read_run(folder)
    assert (run.space.guards, run.space.seed, run.warnings) == ((), None, ())
    assert len(rebuild(folder, figures=False).front) == 3


def test_trials_without_id_or_state_cannot_be_read(maker):
    folder = maker.write(maker.rows(POINTS))
    change_line(folder / "trials.csv", 1, lambda line: line.replace(b"state", b"verdict"))
    with pytest.raises(RecordError, match=r"trials\.csv, line 1: no column state; restore the header"):
        read_run(folder)


def test_a_spreadsheets_mark_before_the_header_is_read_over(maker):
    folder = maker.write(maker.rows(POINTS))
    for name in ("trials.csv", "curves.csv"):
        (folder / name).write_bytes(b"\xef\xbb\xbf" + (folder / name).read_bytes().replace(b"\n", b"\r\n"))
    run = read_run(folder)
    assert run.warnings == ()
    assert (len(run.trials), len(run.curves)) == (4, 16)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line + b",1", "line 3: expected 6 cells, found 7; the line is left out"),
        (lambda line: line.rpartition(b",")[0], "line 3: expected 6 cells, found 5; the line is left out"),
        (lambda line: line.replace(b"0,2,", b"0,two,"), "line 3: epoch: 'two' does not fit"),
        (lambda line: b"\xff" + line, "line 3: not a line of CSV text"),
        (lambda line: line.replace(b"1.35", b"NA"), "line 3: action_kl_ratio: 'NA' does not fit"),
    ],
)
def test_a_damaged_line_of_a_curve_is_left_out(maker, change, message):
    folder = maker.write(maker.rows(POINTS))
    whole = read_run(folder).curves
    change_line(folder / "curves.csv", 3, change)
    run = read_run(folder)
    assert message in run.warnings[0]
    assert len(run.warnings) == 1
    pd.testing.assert_frame_equal(run.curves, whole.drop(index=1).reset_index(drop=True))
    with pytest.raises(DamagedLine, match=message.split(";")[0]):
        read_curves(folder)


def test_curves_without_a_header_leave_the_front(maker):
    folder = maker.write(maker.rows(POINTS))
    change_line(folder / "curves.csv", 1, lambda line: b"who,when" + line[len("trial,epoch") :])
    made = rebuild(folder, figures=False)
    assert "expected trial, epoch, seconds first" in made.warnings[0]
    assert made.warnings[0].endswith("the report has no learning curves")
    assert len(made.front) == 3


def test_a_cut_last_line_of_a_curve(maker):
    folder = maker.write(maker.rows(POINTS))
    path = folder / "curves.csv"
    path.write_bytes(path.read_bytes()[:-3])
    run = read_run(folder)
    assert len(run.curves) == 15
    assert "the last line was cut off" in run.warnings[0]
    assert "15 complete rows kept" in run.warnings[0]


def test_curves_in_blocks_are_what_they_are_line_by_line(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    path = tmp_path / "curves.csv"
    names = ["trial", "epoch", "seconds", "a", "b"]
    odd = ["", "nan", "inf", "-inf", "-0.0", "1e-310", "5e-324", "0.1", "1.7976931348623157e+308"]
    lines = []
    for n in range(300):
        values = [repr(float(rng.normal())) if rng.random() < 0.5 else str(rng.choice(odd)) for _ in range(2)]
        lines.append([str(n // 7), str(n % 7), repr(float(rng.exponential())), *values])
    lines[40:40] = [[""]]  # an empty line
    path.write_text("\n".join(",".join(line) for line in [names, *lines]) + "\n")
    whole, _ = parse_curves(path)
    monkeypatch.setattr("results.records.curves.BLOCK_BYTES", 500)
    blocks, _ = parse_curves(path)
    pd.testing.assert_frame_equal(whole, blocks, check_exact=True)
    expected = [[float(cell) if cell else np.nan for cell in line[1:]] for line in lines if len(line) > 1]
    np.testing.assert_array_equal(whole[names[1:]].to_numpy(), np.array(expected))
    assert whole["trial"].tolist() == [line[0] for line in lines if len(line) > 1]
    quoted = frame_text(whole).replace("\n0,", '\n"0",')
    path.write_text(quoted)
    pd.testing.assert_frame_equal(parse_curves(path)[0], whole, check_exact=True)


@pytest.mark.slow
def test_damage_in_a_late_block_is_named_by_its_line(tmp_path):
    path = tmp_path / "curves.csv"
    count = BLOCK_BYTES // 8
    text = ["trial,epoch,seconds", *(f"{n},1,0.5" for n in range(count))]
    text[-2] = "x,1"
    path.write_text("\n".join(text) + "\n")
    left_out = LeftOut(tmp_path)
    frame, _ = parse_curves(path, left_out)
    assert len(frame) == count - 1
    assert left_out.warnings == (
        f"{tmp_path.name}/curves.csv, line {count}: expected 3 cells, found 2; the line is left out",
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("low: 0.05", "low: .inf", r"parameters\.1\.low: Input should be a finite number \(found inf\)"),
        ("high: 20", "high: .nan", r"parameters\.2\.high: Input should be a finite number \(found nan\)"),
        ("high: 20", "high: '1e999'", r"parameters\.2\.high: Input should be a finite number"),
        ("high: 20", "high: 1" + "0" * 400, r"parameters\.2\.high: Input should be a valid number"),
        ("reference: 1.0", "reference: .inf", r"objectives\.0\.reference: Input should be a finite number"),
        ("name: demo", "name: [demo]", r"name: Input should be a valid string"),
        ("parameters:", "parameters: 3\nold:", r"parameters: expected a mapping, found 3"),
        ("name: recon", "name: ../recon", r"objectives\.0\.name: String should match pattern"),
        ("metric: action_kl_ratio", "metric: stitch_fvu", r"two objectives have the metric 'stitch_fvu'"),
        ("metric: action_kl_ratio", "metric: method", r"'method' is a parameter and a metric"),
        ("unit: ratio", 'unit: "\\ud800"', r"not YAML \(half of a pair of characters is no text\)"),
        ("name: demo", "name: &a [*a]", r"not YAML \(is nested more than 50 levels deep\)"),
        ("name: demo", "name: " + "[" * 3000, r"not YAML \(is nested more than 50 levels deep\)"),
        (
            "name: demo",
            "name: !!python/name:os.system",
            r"not YAML \(!!python/name:os\.system is no plain value; expected",
        ),
        ("name: demo", "name: !!int word", r"not YAML \(invalid literal for int"),
        ("name: demo", "name: \x07", r"not YAML \(special characters are not allowed, at position"),
    ],
)
def test_a_space_that_no_search_wrote_is_refused_in_a_line(maker, old, new, message):
    folder = maker.write(maker.rows(POINTS))
    text = (folder / "space.yaml").read_text()
    assert old in text
    (folder / "space.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(RecordError, match=rf"space\.yaml(, line \d+)?: (.*: Value error, )?{message}") as told:
        read_run(folder)
    assert len(str(told.value)) < 400


def test_aliases_that_stand_for_millions_are_refused(maker):
    folder = maker.write(maker.rows(POINTS))
    names = "abcdefgh"
    bomb = [f"{name}: &{name} [{', '.join([f'*{inner}'] * 9)}]" for inner, name in itertools.pairwise(names)]
    with (folder / "space.yaml").open("a") as file:
        file.write("\n".join(["a: &a [1, 1]", *bomb, ""]))
    with pytest.raises(RecordError, match=r"space\.yaml: not YAML \(has more than 1,000,000 values\)"):
        read_run(folder)


@pytest.mark.parametrize("content", [b"", b"\xff\xfea\0", b"- 1\n", b"\0"])
def test_another_text_is_no_space(maker, content):
    folder = maker.write(maker.rows(POINTS))
    (folder / "space.yaml").write_bytes(content)
    with pytest.raises(RecordError, match=r"space\.yaml: (expected a mapping of keys|cannot be read|not YAML)"):
        read_run(folder)


def test_a_date_is_a_text_and_a_large_number_is_one_too(maker):
    folder = maker.write(maker.rows(POINTS))
    space, table = folder / "space.yaml", folder / "trials.csv"
    large = 10**400
    space.write_text(space.read_text().replace("'2026-01-02'", "2026-13-01").replace("- 8\n", f"- {large}\n"))
    table.write_text(table.read_text().replace(",8,0.1,", f",{large},0.1,"))
    run = read_run(folder)
    assert run.warnings == ()
    assert run.space.provenance["created"] == "2026-13-01"
    assert run.space.parameters[0].values == (str(large), 16, 32, 64)
    assert run.trials["codebook_size"].tolist() == [str(large), 16, 32, 64]
    assert len(rebuild(folder, figures=False).front) == 3


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-13-01"])
def test_a_moment_beyond_the_calendar_is_left_out(maker, moment):
    folder = maker.write(maker.rows(POINTS))
    table = folder / "trials.csv"
    table.write_text(table.read_text().replace("2026-01-02T03:04:05.000678+00:00", moment, 1))
    (warning,) = rebuild(folder, figures=False).warnings
    assert warning.startswith(f"demo/trials.csv, line 2: started: {moment!r} does not fit (")


def test_numbers_beyond_floats_are_no_points(maker):
    rows = maker.rows(POINTS)
    folder = maker.write(rows)
    table = folder / "trials.csv"
    table.write_text(table.read_text().replace(",0.3,0.3,", ",1e999,0.3,"))
    made = rebuild(folder, figures=False)
    assert made.front["trial"].tolist() == ["0", "2"]
    assert made.view.verdicts[1] == "unfinished"
