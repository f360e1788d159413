import functools
import io
from pathlib import Path

import numpy as np
import pytest

from model.dataset.__main__ import main
from model.dataset.formats.pamap2 import ACTIVITIES, CHANNELS, select_channels
from model.dataset.loading import load_dataset

# Rows at 100 per second: nothing in particular, two windows of lying, walking too short, rope jumping with one window.
PROTOCOL = [(0, 50), (1, 370), (0, 7), (4, 290), (24, 365), (0, 40)]


def write_subject(folder, name, protocol=PROTOCOL, seed=0, change=None):
    """A file as the archive has them, and its numbers, (rows, 54)."""
    rows, text = session(tuple(protocol), seed)
    if change is not None:
        rows = change(rows.copy())
        text = written(rows)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.dat").write_text(text)
    return rows


@functools.cache
def session(protocol, seed):
    activity = np.concatenate([[number] * rows for number, rows in protocol])
    rng = np.random.default_rng(seed)
    rows = np.round(rng.normal(size=(len(activity), 54)) * 5, 5)
    rows[:, 0] = np.round(8.38 + np.arange(len(activity)) / 100, 2)
    rows[:, 1] = activity
    rows[:, 2] = np.where(np.arange(len(activity)) % 11, np.nan, 100 + seed)
    rows[:, [3, 20, 37]] = 30.375
    return rows, written(rows)


def written(rows):
    lines = [" ".join([f"{row[0]:.2f}", f"{row[1]:.0f}", *map(word, row[2:])]) for row in rows.tolist()]
    return "\n".join(lines) + "\n"


def word(value):
    return "NaN" if value != value else f"{value:.12g}"


def gap(first, rows, columns):
    def change(table):
        table[first : first + rows, columns] = np.nan
        return table

    return change


@pytest.fixture
def archive(tmp_path):
    folder = tmp_path / "PAMAP2_Dataset" / "Protocol"
    return {f"subject{n}": write_subject(folder, f"subject{n}", seed=n) for n in (101, 102, 103)}


def convert(tmp_path, *options, folder=None):
    out = tmp_path / "out.npz"
    code = main(["pamap2", str(folder or tmp_path), str(out), "--force", *options])
    return code, dict(np.load(out)) if code == 0 else None


def brute_force(rows, columns, window=100, step=22, divisor=3):
    """Row by row: each start of a run, then every window of it."""
    found = []
    for start, number in enumerate(rows[:, 1]):
        if number == 0 or (start and rows[start - 1, 1] == number):
            continue
        end = start
        while end < len(rows) and rows[end, 1] == number:
            end += 1
        at = start
        while at + window * divisor <= end:
            picked = [rows[at + j * divisor, columns] for j in range(window)]
            found.append((ACTIVITIES[int(number)], np.array(picked).T))
            at += step * divisor
    return found


def test_every_window_is_of_the_rows_that_it_should_be(tmp_path, archive, capsys):
    code, arrays = convert(tmp_path)
    assert code == 0
    # Columns counted in the archive's description: places begin at 4, 21 and 38, temperature first.
    columns = [first - 1 + offset for first in (4, 21, 38) for offset in (1, 2, 3, 7, 8, 9)]
    expected = [(name, *window) for name, rows in archive.items() for window in brute_force(rows, columns)]
    assert len(expected) == 3 * (2 + 1)
    np.testing.assert_array_equal(arrays["X"], np.array([x for _, _, x in expected], dtype=np.float32))
    assert arrays["X"].dtype == np.float32
    assert arrays["y"].tolist() == [label for _, label, _ in expected]
    assert arrays["groups"].tolist() == [name for name, _, _ in expected]
    assert arrays["channels"].tolist()[:4] == ["hand acc16 x", "hand acc16 y", "hand acc16 z", "hand gyro x"]
    assert arrays["channels"].shape == (18,)
    assert arrays["rate_hz"] == pytest.approx(100 / 3)
    printed = capsys.readouterr().out
    assert "left out: samples of no protocol activity: 291" in printed
    assert "left out: stretches of an activity shorter than a window: 3" in printed
    assert "6 of the 9 subjects are not there: subject104" in printed


def test_a_copy_of_a_subject_is_nobody_else(tmp_path, archive):
    first = tmp_path / "PAMAP2_Dataset" / "Protocol" / "subject101.dat"
    first.with_name("subject101 (1).dat").write_text(first.read_text())
    _, arrays = convert(tmp_path)
    assert set(arrays["groups"]) == set(archive)


def test_windows_options_and_the_mean(tmp_path, archive):
    _, arrays = convert(
        tmp_path, "--window", "30", "--step", "10", "--rate-divisor", "4", "--reduction", "mean", "--columns", "ankle"
    )
    columns = [38, 39, 40, 44, 45, 46]
    smooth = {}
    for name, rows in archive.items():
        smooth[name] = rows.copy()
        for row in range(len(rows) - 3):
            smooth[name][row, columns] = rows[row : row + 4, columns].mean(axis=0)
    expected = [x for rows in smooth.values() for _, x in brute_force(rows, columns, 30, 10, 4)]
    np.testing.assert_allclose(arrays["X"], expected, rtol=1e-5, atol=1e-6)
    assert arrays["rate_hz"] == 25.0


def test_short_gaps_are_filled_and_windows_with_long_ones_left_out(tmp_path, capsys):
    folder = tmp_path / "PAMAP2_Dataset" / "Protocol"
    hand = range(3, 20)
    # The first lying window is rows 50 to 349, the second 116 to 415.
    whole = [write_subject(folder, f"subject{n}", seed=n) for n in (101, 102, 103)]
    write_subject(folder, "subject101", seed=101, change=gap(60, 20, hand))
    write_subject(folder, "subject102", seed=102, change=gap(60, 21, hand))
    write_subject(folder, "subject103", seed=103, change=gap(60, 21, range(20, 37)))
    _, arrays = convert(tmp_path, "--columns", "hand")
    per_subject = [int((arrays["groups"] == f"subject{n}").sum()) for n in (101, 102, 103)]
    assert per_subject == [3, 2, 3]
    assert "left out: windows with a gap too long to fill: 1\n" in capsys.readouterr().out
    # Column 5 is the hand's first acceleration; row 62 is sample 4 of the window.
    before, after = whole[0][59, 4], whole[0][80, 4]
    assert arrays["X"][0, 0, 4] == pytest.approx(before + (after - before) * 3 / 21, rel=1e-5)
    _, arrays = convert(tmp_path, "--columns", "hand", "--longest-gap", "19")
    assert int((arrays["groups"] == "subject101").sum()) == 2


def test_a_jump_in_time_ends_a_stretch(tmp_path, archive):
    def jump(rows):
        rows[200:, 0] += 0.05
        return rows

    write_subject(tmp_path / "PAMAP2_Dataset" / "Protocol", "subject102", seed=102, change=jump)
    _, arrays = convert(tmp_path)
    assert ("subject102", "lying") not in set(zip(arrays["groups"].tolist(), arrays["y"].tolist(), strict=True))


@pytest.mark.parametrize("inner", ["", "PAMAP2_Dataset", "PAMAP2_Dataset/Protocol", ".."])
def test_the_folder_may_be_named_a_level_up_or_down(tmp_path, archive, inner):
    assert convert(tmp_path, folder=tmp_path / inner)[0] == 0


def test_channels_are_chosen_by_words():
    assert len(CHANNELS) == 36
    assert select_channels(["hand", "mag"]) == ("hand mag x", "hand mag y", "hand mag z")
    assert select_channels(["ankle"]) == tuple(f"ankle {s} {a}" for s in ("acc16", "gyro") for a in "xyz")
    assert len(select_channels(["gyro"])) == len(select_channels(["hand", "gyro", "acc6", "mag"])) == 9
    assert select_channels(["ankle gyro x", "hand mag"]) == (*(f"hand mag {a}" for a in "xyz"), "ankle gyro x")
    assert select_channels(["chest", "gyro", "hand mag z"]) == ("hand mag z", *(f"chest gyro {a}" for a in "xyz"))


def test_subjects_stay_together_in_training(tmp_path, archive):
    convert(tmp_path)
    data = load_dataset({"npz": tmp_path / "out.npz"}, length="native")
    parts = [set(part.groups) for part in (data.train, data.validation, data.test)]
    assert [len(part) for part in parts] == [1, 1, 1]
    assert len(set.union(*parts)) == 3
    assert data.channel_names == tuple(select_channels(["acc16", "gyro"]))
    assert data.rate_hz == pytest.approx(100 / 3)


def test_all_nine_subjects_with_activities_that_not_all_did(tmp_path):
    """As in the archive: the ninth subject only jumped rope, and some did not."""
    folder = tmp_path / "PAMAP2_Dataset" / "Protocol"
    for n in range(101, 110):
        protocol = [(24, 300)] if n == 109 else [(1, 320), (4, 320)] + [(24, 300)] * (n % 2)
        write_subject(folder, f"subject{n}", protocol, seed=n)
    assert convert(tmp_path)[0] == 0
    data = load_dataset({"npz": tmp_path / "out.npz"}, length="native")
    assert all(set(part.y) == {0, 1, 2} for part in (data.train, data.validation, data.test))


def edited(line, column=None, to=None):
    def edit(text):
        lines = [words.split(" ") for words in text.splitlines()]
        if column is None:
            lines[line] = lines[line][:to]
        else:
            lines[line][column] = to
        return "\n".join(" ".join(words) for words in lines) + "\n"

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (edited(0, to=53), r"subject102\.dat: line 1 has 53 columns, expected 54"),
        (edited(-1, to=20), r"subject102\.dat: line 1122 has 20 columns, expected 54"),
        (edited(9, 4, "abc"), r"subject102\.dat: line 10, column 5: 'abc' is not a number"),
        (edited(9, 1, "NaN"), r"subject102\.dat: line 10, column 2: NaN is not a finite number"),
        (edited(9, 4, "inf"), r"subject102\.dat: line 10, column 5: inf is not a finite number"),
        (edited(9, to=5), r"subject102\.dat: line 10 has 5 columns"),
        (lambda _: "", r"subject102\.dat: is empty"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path, archive, capsys, edit, message):
    path = tmp_path / "PAMAP2_Dataset" / "Protocol" / "subject102.dat"
    path.write_text(edit(path.read_text()))
    code, _ = convert(tmp_path)
    check_refused(capsys, code, message)
    assert not (tmp_path / "out.npz").exists()


def check_refused(capsys, code, message):
    assert code == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    with pytest.raises(ValueError, match=message):
        raise ValueError(printed)


def test_what_is_no_archive(tmp_path, capsys):
    def refused(folder, message, *options):
        code, _ = convert(tmp_path, *options, folder=folder)
        check_refused(capsys, code, message)

    refused(tmp_path / "nowhere", r"no such folder \(expected in it: PAMAP2_Dataset/Protocol/subject10\?\.dat")
    (tmp_path / "PAMAP2_Dataset.zip").write_bytes(b"PK")
    refused(tmp_path, r"is not there: give the folder .*PAMAP2_Dataset\.zip is still packed: unpack it first")
    refused(tmp_path / "PAMAP2_Dataset.zip", r"is a file: unpack the archive and give its folder")
    refused(tmp_path, r"--columns: 'wrist' is none; expected words of hand, chest, ankle", "--columns", "wrist")
    refused(tmp_path, r"--columns: no channel is called 'hand chest'", "--columns", "hand chest")
    write_subject(tmp_path / "Protocol", "subject101", [(1, 400), (24, 400)])
    refused(tmp_path, r"all recordings are of one group \(subject101\)")
    refused(tmp_path, r"Protocol: no recordings are left \(.*stretches of an activity shorter", "--window", "900")


def test_the_text_is_read_to_the_last_digit_of_float32(tmp_path):
    """The fast parser of pandas against Python's own."""
    folder = tmp_path / "PAMAP2_Dataset" / "Protocol"
    for n in (101, 102, 103):
        write_subject(folder, f"subject{n}", seed=n)
    _, arrays = convert(tmp_path, "--columns", "hand mag x")
    text = Path(folder / "subject101.dat").read_text()
    exact = [float(line.split()[13]) for line in io.StringIO(text)]
    np.testing.assert_array_equal(arrays["X"][0, 0], np.float32(exact[50:350:3]))
