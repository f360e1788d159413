import numpy as np
import pytest

from model.dataset.__main__ import main
from model.dataset.loading import load_dataset
from model.dataset.preprocessing import resample

NAMES = [f"{number:02d}.csv" for number in range(8)]
LABELS = ["sit", "walk fast"] * 4


class Folder:
    """A folder of recordings on disk and what is in them."""

    def __init__(self, path, lengths=(40,) * 8, time=False):
        self.path = path
        path.mkdir()
        rng = np.random.default_rng(0)
        self.x = [np.round(rng.normal(size=(length, 2)), 6) for length in lengths]
        for name, x in zip(NAMES, self.x, strict=True):
            column = [f"{index / 50:.2f}," if time else "" for index in range(len(x))]
            lines = [
                ("t," if time else "") + "acc x,gyro y",
                *(f"{t}{a},{b}" for t, (a, b) in zip(column, x.tolist(), strict=True)),
            ]
            (path / name).write_text("\n".join(lines) + "\n")
        self.table("file,label", [f"{name},{label}" for name, label in zip(NAMES, LABELS, strict=True)])

    def table(self, header, rows):
        (self.path / "labels.csv").write_text("\n".join([header, *rows]) + "\n")

    def columns(self, **columns):
        keys = ["file", "label", *columns]
        rows = zip(NAMES, LABELS, *columns.values(), strict=True)
        self.table(",".join(keys), [",".join(row) for row in rows])


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "mine")


def convert(folder, *options):
    out = folder.path.parent / "mine.npz"
    code = main(["csv", str(folder.path), str(out), "--force", *options])
    return dict(np.load(out)) if code == 0 else code


def test_whole_recordings_keep_their_values_classes_and_channel_names(folder):
    arrays = convert(folder)
    np.testing.assert_array_equal(arrays["X"], np.float32([x.T for x in folder.x]))
    assert arrays["y"].tolist() == LABELS
    assert set(arrays) == {"X", "y", "channels"}
    data = load_dataset({"npz": folder.path.parent / "mine.npz"})
    assert (data.class_names, data.channel_names) == (("sit", "walk fast"), ("acc x", "gyro y"))
    assert data.rate_hz is None


def test_groups_and_parts_come_from_the_table(folder):
    folder.columns(group=list("aabbccdd"), part=["train"] * 6 + ["test"] * 2)
    arrays = convert(folder)
    assert arrays["groups"].tolist() == list("aabbcc")
    assert arrays["groups_test"].tolist() == ["d", "d"]
    np.testing.assert_array_equal(arrays["X_test"], np.float32([x.T for x in folder.x[6:]]))
    assert arrays["y_test"].tolist() == LABELS[6:]


def test_windows_of_one_recording_stay_together(tmp_path):
    folder = Folder(tmp_path / "mine", lengths=(40, 31, 25, 40, 9, 30, 40, 40))
    arrays = convert(folder, "--window", "10", "--step", "7")
    expected = [
        (x[start : start + 10].T, label, name)
        for x, label, name in zip(folder.x, LABELS, NAMES, strict=True)
        for start in range(0, len(x) - 9, 7)
    ]
    np.testing.assert_array_equal(arrays["X"], np.float32([x for x, _, _ in expected]))
    assert arrays["y"].tolist() == [label for _, label, _ in expected]
    assert arrays["groups"].tolist() == [name for _, _, name in expected]
    data = load_dataset({"npz": tmp_path / "mine.npz"}, length="native")
    assert not set(data.train.groups) & set(data.validation.groups)


def test_what_is_left_out_is_said(tmp_path, capsys):
    folder = Folder(tmp_path / "mine", lengths=(40, 31, 25, 40, 9, 30, 40, 40))
    still = np.loadtxt(folder.path / "00.csv", delimiter=",", skiprows=1)
    still[20:] = 1.5
    np.savetxt(folder.path / "00.csv", still, delimiter=",", header="acc x,gyro y", comments="")
    assert convert(folder, "--window", "10")["X"].shape == (2 + 3 + 2 + 4 + 0 + 3 + 4 + 4, 2, 10)
    printed = capsys.readouterr().out
    assert "left out: recordings shorter than a window: 1\n" in printed
    assert "left out: windows in which nothing moves: 2\n" in printed


def test_every_recording_can_be_resampled_to_one_length(tmp_path):
    folder = Folder(tmp_path / "mine", lengths=(40, 31, 25, 40, 9, 30, 40, 40))
    arrays = convert(folder, "--length", "20")
    np.testing.assert_array_equal(arrays["X"], np.float32([resample(x.T, 20) for x in folder.x]))
    assert "groups" not in arrays


def test_a_time_column_is_no_channel_and_gives_the_rate(tmp_path):
    folder = Folder(tmp_path / "mine", time=True)
    arrays = convert(folder, "--time", "t")
    assert arrays["channels"].tolist() == ["acc x", "gyro y"]
    assert arrays["rate_hz"] == pytest.approx(50.0)
    np.testing.assert_array_equal(arrays["X"], np.float32([x.T for x in folder.x]))
    assert convert(folder, "--time", "t", "--rate", "12.5")["rate_hz"] == 12.5
    assert "rate_hz" not in convert(folder, "--time", "t", "--length", "20")


def test_tables_as_spreadsheets_write_them(folder):
    """A byte order mark, carriage returns, quotes, blanks and empty lines."""
    x = folder.x[0]
    lines = ['"acc x" , "gyro y"', *(f'"{a}", {b} ' for a, b in x.tolist()), "", ""]
    (folder.path / "00.csv").write_bytes("\r\n".join(lines).replace('" ,', '",').encode("utf-8-sig"))
    rows = ["file , label", *(f"{name}, {label}" for name, label in zip(NAMES, LABELS, strict=True)), ""]
    (folder.path / "labels.csv").write_bytes("\r\n".join(rows).encode("utf-8-sig"))
    arrays = convert(folder)
    assert arrays["channels"].tolist() == ["acc x", "gyro y"]
    np.testing.assert_array_equal(arrays["X"][0], np.float32(x.T))


def test_recordings_in_folders_and_a_table_elsewhere(folder):
    (folder.path / "anna").mkdir()
    (folder.path / "00.csv").rename(folder.path / "anna" / "first.csv")
    table = folder.path.parent / "who.csv"
    table.write_text((folder.path / "labels.csv").read_text().replace("00.csv", "anna/first.csv"))
    (folder.path / "labels.csv").unlink()
    assert len(convert(folder, "--labels", str(table))["X"]) == 8


def replace(name, old, new):
    def change(folder):
        text = (folder.path / name).read_text()
        assert old in text
        (folder.path / name).write_text(text.replace(old, new, 1))

    return change


def line(name, number, to):
    """Replaces a line, counted from 1."""

    def change(folder):
        lines = (folder.path / name).read_text().splitlines()
        lines[number - 1] = to
        (folder.path / name).write_text("\n".join(lines) + "\n")

    return change


def write(name, content):
    return lambda folder: (folder.path / name).write_bytes(content)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (
            lambda f: (f.path / "labels.csv").unlink(),
            [],
            r"no such file: .*labels\.csv: it says what each recording is",
        ),
        (
            replace("labels.csv", "file,label", "file,class"),
            [],
            r"labels\.csv: line 1: expected the columns file,label",
        ),
        (replace("labels.csv", "file,label", "file,label,who"), [], r"expected the columns .*got 'file,label,who'"),
        (replace("labels.csv", "sit", "sit,1"), [], r"labels\.csv: line 2 has 3 columns, expected 2"),
        (replace("labels.csv", "sit", ""), [], r"labels\.csv: line 2, column label: is empty"),
        (replace("labels.csv", "01.csv", "00.csv"), [], r"labels\.csv: line 3: 00\.csv has a row already"),
        (
            replace("labels.csv", "01.csv", "x.csv"),
            [],
            r"labels\.csv: line 3, column file: there is no file .*mine/x\.csv",
        ),
        (replace("labels.csv", "01.csv", "../x.csv"), [], r"line 3, column file: \.\./x\.csv is outside .*mine"),
        (replace("labels.csv", "01.csv", "/etc/passwd"), [], r"line 3, column file: /etc/passwd is outside .*mine"),
        (write("labels.csv", b"file,label\n"), [], r"labels\.csv: has no rows"),
        (write("labels.csv", b""), [], r"labels\.csv: line 1: expected the columns"),
        (write("labels.csv", b"file,label\nM\xfcller.csv,a\n"), [], r"labels\.csv: is no CSV file in UTF-8"),
        (write("08.csv", b"acc x,gyro y\n"), [], r"08\.csv: has no row in .*labels\.csv: add one"),
        (
            lambda f: f.columns(part=["train"] * 7 + ["Test"]),
            [],
            r"line 9, column part: expected train or test, got 'T",
        ),
        (lambda f: f.columns(part=["test"] * 8), [], r"mine \(train\): no recordings are left"),
        (
            lambda f: f.columns(group=list("aabbccda"), part=["train"] * 7 + ["test"]),
            [],
            r"line 9: group a is in the train and in the test part",
        ),
        (
            line("03.csv", 1, "acc x,gyro z"),
            [],
            r"03\.csv: line 1: the channels are acc x, gyro z, but those of 00\.csv",
        ),
        (line("03.csv", 1, "acc x,acc x"), [], r"03\.csv: line 1, column 1: twice acc x"),
        (line("03.csv", 1, "acc x,"), [], r"03\.csv: line 1, column 2: the name is missing"),
        (line("03.csv", 1, "0.5,0.25"), [], r"03\.csv: line 1: expected the channels' names, got numbers"),
        (line("03.csv", 1, "acc x;gyro y"), [], r"03\.csv: line 1: one column .*separate columns by commas"),
        (line("03.csv", 5, "0.5,abc"), [], r"03\.csv: line 5, column gyro y: 'abc' is not a number"),
        (line("03.csv", 5, "0.5,"), [], r"03\.csv: line 5, column gyro y: nothing is there"),
        (line("03.csv", 5, "NaN,1"), [], r"03\.csv: line 5, column acc x: NaN is not a finite number"),
        (line("03.csv", 5, "1,-inf"), [], r"03\.csv: line 5, column gyro y: -inf is not a finite number"),
        (line("03.csv", 5, "1"), [], r"03\.csv: line 5 has 1 columns, expected 2"),
        (line("03.csv", 2, "1,2,3"), [], r"03\.csv: line 2 has 3 columns, expected 2"),
        (write("03.csv", b""), [], r"03\.csv: is empty"),
        (write("03.csv", b"acc x,gyro y\n"), [], r"03\.csv: has 0 samples, at least 2 are needed"),
        (write("03.csv", b"acc x,gyro y\n1,2\n"), [], r"03\.csv: has 1 samples"),
        (write("03.csv", b"acc x,gyro y\n" + b"1,2\n" * 40), [], r"03\.csv: does not move in any channel"),
        (write("03.csv", b"\xff\xfe\x00a"), [], r"03\.csv: is no CSV file in UTF-8"),
        (lambda f: None, ["--time", "t"], r"00\.csv: line 1: there is no column t \(--time\); it has acc x, gyro y"),
        (lambda f: None, ["--step", "5"], r"--step: means nothing without --window"),
        (lambda f: None, ["--window", "50"], r"no recordings are left \(recordings shorter than a window: 8\)"),
    ],
)
def test_a_mistake_is_one_line_that_says_where(folder, capsys, change, options, message):
    change(folder)
    assert convert(folder, *options) == 2
    check_error(capsys, message)


def check_error(capsys, message):
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    with pytest.raises(ValueError, match=message):
        raise ValueError(printed)


def test_recordings_of_different_length_are_refused_with_their_lengths(tmp_path, capsys):
    folder = Folder(tmp_path / "mine", lengths=(40, 31, 25, 40, 9, 30, 40, 40))
    assert convert(folder) == 2
    lengths = r"9 \(04\.csv\), 25 \(02\.csv\), 30 \(05\.csv\), 31 \(01\.csv\), 40 \(00\.csv and 3 more\) samples"
    check_error(capsys, rf"recordings differ in length: {lengths}: give --length N .* or --window N --step M")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            replace("03.csv", "0.04,", "0.40,"),
            r"03\.csv: line 4, column t: 0\.38 s after the line before, usual is 0\.02",
        ),
        (replace("03.csv", "0.04,", "0.02,"), r"03\.csv: line 4, column t: 0 s after the line before"),
        (replace("03.csv", "t,acc", "time,acc"), r"03\.csv: line 1: there is no column t"),
    ],
)
def test_time_that_jumps_is_refused(tmp_path, capsys, change, message):
    folder = Folder(tmp_path / "mine", time=True)
    change(folder)
    assert convert(folder, "--time", "t") == 2
    check_error(capsys, message)


def test_recordings_of_different_rates_are_refused(tmp_path, capsys):
    folder = Folder(tmp_path / "mine", time=True)
    rows = [f"{index / 25:.2f},{a},{b}" for index, (a, b) in enumerate(folder.x[3].tolist())]
    (folder.path / "03.csv").write_text("\n".join(["t,acc x,gyro y", *rows]))
    assert convert(folder, "--time", "t") == 2
    check_error(capsys, r"03\.csv: 25 samples per second, but 00\.csv has 50: bring all to one rate")
    assert "rate_hz" not in convert(folder, "--time", "t", "--length", "64")


def test_a_class_that_loses_every_recording_is_named(tmp_path, capsys):
    folder = Folder(tmp_path / "mine", lengths=(40,) * 7 + (9,))
    folder.table("file,label", [f"{n},{k}" for n, k in zip(NAMES, [*LABELS[:7], "hop"], strict=True)])
    assert set(convert(folder, "--window", "10")["y"]) == {"sit", "walk fast"}
    assert "nothing is left of hop" in capsys.readouterr().out
