import numpy as np
import pytest

from model.dataset.__main__ import main
from model.dataset.loading import load_dataset

ACTIVITIES = ("WALKING", "WALKING_UPSTAIRS", "WALKING_DOWNSTAIRS", "SITTING", "STANDING", "LAYING")
SIGNALS = [f"{kind}_{axis}" for kind in ("body_acc", "body_gyro", "total_acc") for axis in "xyz"]
SUBJECTS = {"train": [1, 3, 5, 6], "test": [2, 4]}


def as_archived(value):
    """Sixteen characters with an exponent of three digits, as the archive's files have them."""
    mantissa, exponent = f"{value:.7e}".split("e")
    return f"{mantissa}e{exponent[0]}{int(exponent[1:]):03d}".rjust(16)


@pytest.fixture
def archive(tmp_path):
    """The folder, and windows, activities and subjects of each part."""
    root, rng, parts = tmp_path / "UCI HAR Dataset", np.random.default_rng(0), {}
    root.mkdir()
    (root / "activity_labels.txt").write_text("".join(f"{i} {name}\n" for i, name in enumerate(ACTIVITIES, start=1)))
    for part, people in SUBJECTS.items():
        signals = root / part / "Inertial Signals"
        signals.mkdir(parents=True)
        subjects = np.repeat(people, 6)
        activities = np.tile(np.arange(1, 7), len(people))
        x = rng.normal(size=(len(subjects), 9, 128)) * 10.0 ** rng.integers(-4, 1, size=(len(subjects), 9, 128))
        for channel, signal in enumerate(SIGNALS):
            lines = ["".join(as_archived(value) for value in window) for window in x[:, channel]]
            (signals / f"{signal}_{part}.txt").write_text("\n".join(lines) + "\n")
        (root / part / f"y_{part}.txt").write_text("".join(f"{value}\n" for value in activities))
        (root / part / f"subject_{part}.txt").write_text("".join(f"{value}\n" for value in subjects))
        parts[part] = (x, activities, subjects)
    return root, parts


def test_windows_names_and_parts_are_the_archives_own(tmp_path, archive, capsys):
    root, parts = archive
    out = tmp_path / "har.npz"
    assert main(["ucihar", str(root.parent), str(out)]) == 0
    assert "9 channels of 128 samples at 50 per second: body acc x," in capsys.readouterr().out
    arrays = np.load(out)
    for part, suffix in (("train", ""), ("test", "_test")):
        x, activities, subjects = parts[part]
        np.testing.assert_allclose(arrays[f"X{suffix}"], x, rtol=2e-7)
        assert arrays[f"y{suffix}"].tolist() == [ACTIVITIES[number - 1] for number in activities]
        assert arrays[f"groups{suffix}"].tolist() == [f"subject {number}" for number in subjects]
    data = load_dataset({"npz": out}, length="native")
    assert data.channel_names == tuple(signal.replace("_", " ") for signal in SIGNALS)
    assert data.rate_hz == 50.0
    assert set(data.test.groups) == {"subject 2", "subject 4"}
    assert not set(data.train.groups) & set(data.validation.groups)
    assert len(data.train.y) + len(data.validation.y) == 24


@pytest.mark.parametrize("inner", ["", "..", "../.."])
def test_the_folder_may_be_named_a_level_up(tmp_path, archive, inner):
    assert main(["ucihar", str(archive[0] / inner), str(tmp_path / "har.npz")]) == 0


def change_line(line, to):
    def change(text):
        lines = text.splitlines()
        lines[line] = to(lines[line])
        return "\n".join(lines) + "\n"

    return change


SIGNAL = "test/Inertial Signals/body_gyro_y_test.txt"


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (SIGNAL, None, r"no such file: .*body_gyro_y_test\.txt: unpack the archive again"),
        (SIGNAL, lambda text: text[: text.rindex("\n", 0, -1) + 1], r"has 11 rows, but y_test\.txt has 12"),
        (SIGNAL, lambda text: "", r"body_gyro_y_test\.txt: is empty"),
        (SIGNAL, change_line(3, lambda line: line[16:]), r"line 4 has 127 columns, expected 128"),
        (SIGNAL, change_line(3, lambda line: line + as_archived(1.0)), r"line 4 has 129 columns, expected 128"),
        (SIGNAL, change_line(3, lambda line: line[:-16] + "  x"), r"line 4, column 128: 'x' is not a number"),
        (SIGNAL, change_line(3, lambda line: line[:-16] + "  NaN"), r"line 4, column 128: NaN is not a finite number"),
        ("train/y_train.txt", change_line(2, lambda _: "7"), r"y_train\.txt: row 3 is 7, not one of 1, 2, 3, 4, 5, 6"),
        ("train/y_train.txt", change_line(2, lambda _: "1.5"), r"y_train\.txt: row 3 is 1\.5, not a whole number"),
        (
            "train/subject_train.txt",
            lambda text: text + "1\n",
            r"subject_train\.txt: has 25 rows, but y_train\.txt has",
        ),
        (
            "train/subject_train.txt",
            change_line(0, lambda _: "2"),
            r"group subject 2 is in the training and in the test",
        ),
        ("activity_labels.txt", change_line(1, lambda _: "WALKING"), r"line 2: expected a number and a name"),
    ],
)
def test_a_broken_archive_is_one_line(tmp_path, archive, capsys, file, change, message):
    path = archive[0] / file
    path.unlink() if change is None else path.write_text(change(path.read_text()))
    assert main(["ucihar", str(tmp_path), str(tmp_path / "har.npz")]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    with pytest.raises(ValueError, match=message):
        raise ValueError(printed)
    assert not (tmp_path / "har.npz").exists()


def test_another_folder_says_what_was_expected(tmp_path, capsys):
    assert main(["ucihar", str(tmp_path), str(tmp_path / "har.npz")]) == 2
    assert "UCI HAR Dataset/train/y_train.txt is not there: give the folder" in capsys.readouterr().err
