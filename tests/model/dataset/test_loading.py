import importlib.util
import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import model.dataset.loading
from model.dataset.loading import DataError, draw_validation, load_dataset
from model.dataset.npz import read_npz, write_npz
from model.dataset.recordings import RawPart
from model.dataset.sources import DataSource

WAVES = np.random.default_rng(3).normal(size=(16, 2, 20)).round(3)
LABELS = ["Run", "Sit"] * 8


def write_ts(path, series, labels, header="", classes="Run Sit", equal="true"):
    lines = [f"@problemName test\n@timeStamps false\n@missing false\n@univariate false\n@equalLength {equal}\n{header}"]
    lines.append(f"@classLabel true {classes}\n@data\n")
    for recording, label in zip(series, labels, strict=True):
        channels = [",".join(str(value) for value in channel) for channel in recording]
        lines.append(":".join([*channels, label]) + "\n")
    path.write_text("".join(lines))
    return path


@pytest.fixture
def ts_pair(tmp_path):
    return {
        "train_ts": write_ts(tmp_path / "waves_TRAIN.ts", WAVES[:10], LABELS[:10]),
        "test_ts": write_ts(tmp_path / "waves_TEST.ts", WAVES[10:], LABELS[10:]),
    }


@pytest.fixture
def save(tmp_path):
    def save(**changes):
        arrays = {"X": WAVES, "y": np.array(LABELS), **changes}
        path = tmp_path / "waves.npz"
        np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
        return {"npz": path}

    return save


@pytest.fixture(scope="module")
def basic_motions():
    return load_dataset({})


def raw(part):
    return part.x * part.scale[..., None] + part.mean[..., None]


def rows(part):
    return {row.tobytes() for row in part.x}


# BasicMotions: the numbers are counted in aeon's own files


def test_basic_motions_parts(basic_motions):
    d = basic_motions
    assert (d.name, d.native_length) == ("BasicMotions", 100)
    assert d.class_names == ("Badminton", "Running", "Standing", "Walking")
    assert d.channel_names[0] == "accelerometer x"
    assert d.channel_names[5] == "gyroscope z"
    assert d.train.x.shape == (28, 6, 512)
    assert d.validation.x.shape == (12, 6, 512)
    assert d.test.x.shape == (40, 6, 512)
    assert np.bincount(d.train.y).tolist() == [7] * 4
    assert np.bincount(d.validation.y).tolist() == [3] * 4
    assert np.bincount(d.test.y).tolist() == [10] * 4
    assert d.train.x.dtype == d.train.mean.dtype == d.train.scale.dtype == np.float32
    assert d.train.y.dtype == np.int64


def test_basic_motions_values_are_those_of_aeon(basic_motions):
    from aeon.datasets import load_classification

    x, y = load_classification("BasicMotions", split="test")
    kept = raw(basic_motions.test)
    np.testing.assert_allclose(kept[..., 0], x[..., 0], atol=2e-5)
    np.testing.assert_allclose(kept[..., -1], x[..., -1], atol=2e-5)
    grid = np.linspace(0, 99, 512)
    np.testing.assert_allclose(kept[7, 2], np.interp(grid, np.arange(100), x[7, 2]), atol=1e-4)
    assert [basic_motions.class_names[k].lower() for k in basic_motions.test.y] == list(y)


def test_parts_are_disjoint_and_normalised(basic_motions):
    d = basic_motions
    train, validation, test = rows(d.train), rows(d.validation), rows(d.test)
    assert not train & validation
    assert not (train | validation) & test
    assert len(train | validation | test) == 80
    for part in (d.train, d.validation, d.test):
        np.testing.assert_allclose(part.x.mean(axis=-1), 0.0, atol=1e-5)
        np.testing.assert_allclose(part.x.std(axis=-1), 1.0, atol=1e-5)


def test_test_part_does_not_depend_on_the_split(basic_motions):
    other = load_dataset({"name": "BasicMotions"}, split_seed=1, validation_fraction=0.5)
    np.testing.assert_array_equal(basic_motions.test.x, other.test.x)
    assert len(other.validation.x) == 20
    assert rows(other.train) != rows(basic_motions.train)


def test_native_recordings_stay_as_they_are(save):
    native, own = load_dataset(save(), length="native"), load_dataset(save(), length=WAVES.shape[-1])
    assert native.train.x.shape[-1] == native.native_length == WAVES.shape[-1]
    assert native.fingerprint == own.fingerprint, "what is trained on is the same"
    np.testing.assert_array_equal(native.train.x, own.train.x)
    back = native.train.x * native.train.scale[..., None] + native.train.mean[..., None]
    nearest = np.abs(back[:, None] - WAVES[None]).max((2, 3)).min(1)
    assert nearest.max() < 1e-4 * np.abs(WAVES).max()


def test_same_seed_same_dataset(save):
    first, second = load_dataset(save(), split_seed=5), load_dataset(save(), split_seed=5)
    np.testing.assert_array_equal(first.validation.x, second.validation.x)
    assert first.fingerprint == second.fingerprint


def test_fingerprint_follows_content_split_and_length(save):
    base = load_dataset(save()).fingerprint
    changed = WAVES.copy()
    changed[3, 1, 7] += 1e-9
    others = {
        load_dataset(save(X=changed)).fingerprint,
        load_dataset(save(y=np.array(LABELS[::-1]))).fingerprint,
        load_dataset(save(), split_seed=1).fingerprint,
        load_dataset(save(), length=64).fingerprint,
        load_dataset(save(), validation_fraction=0.5).fingerprint,
    }
    assert len(others | {base}) == 6


# .ts


def test_ts_pair_equals_the_same_arrays_in_an_npz(ts_pair, save):
    ts = load_dataset(ts_pair)
    npz = load_dataset(save(X=WAVES[:10], y=np.array(LABELS[:10]), X_test=WAVES[10:], y_test=np.array(LABELS[10:])))
    assert (ts.name, ts.class_names, ts.channel_names) == ("waves", ("Run", "Sit"), ("channel 0", "channel 1"))
    for part in ("train", "validation", "test"):
        for one, other in zip(getattr(ts, part), getattr(npz, part), strict=True):
            np.testing.assert_array_equal(one, other)
    assert ts.fingerprint == npz.fingerprint


def test_name_in_extract_path(tmp_path):
    folder = tmp_path / "Waves"
    folder.mkdir()
    write_ts(folder / "Waves_TRAIN.ts", WAVES[:10], LABELS[:10])
    write_ts(folder / "Waves_TEST.ts", WAVES[10:], LABELS[10:])
    d = load_dataset({"name": "Waves", "extract_path": tmp_path})
    assert (d.name, len(d.test.x)) == ("Waves", 6)


def test_equal_lengths_need_no_header_flag(tmp_path, ts_pair):
    ts_pair["train_ts"] = write_ts(tmp_path / "b_TRAIN.ts", WAVES[:10], LABELS[:10], equal="false")
    assert load_dataset(ts_pair).native_length == 20


def broken_ts(recording=None, label=None, **header):
    series, labels = [r.tolist() for r in WAVES[:10]], list(LABELS[:10])
    if recording is not None:
        series[4] = recording(series[4])
    if label is not None:
        labels[4] = label
    return series, labels, header


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (broken_ts(lambda r: [[*r[0][:6], "?", *r[0][7:]], r[1]]), r"recording 4, channel 0, sample 6 is nan"),
        (broken_ts(lambda r: [[*r[0][:6], "abc", *r[0][7:]], r[1]]), r"recording 4, channel 0: 'abc' is not a number"),
        (broken_ts(lambda r: [r[0][:-1], r[1][:-1]]), r"recording 4 has 2 channels and 19 samples"),
        (
            broken_ts(lambda r: [r[0][:-1], r[1][:-1]], equal="false"),
            r"recording 4 has 19 samples but recording 0 has 20",
        ),
        (broken_ts(lambda r: [r[0], r[1][:-1]], equal="false"), r"recording 4 has .* 19 samples in channel 1"),
        (broken_ts(lambda r: [r[0]]), r"recording 4 has 1 channels"),
        (broken_ts(lambda r: [[1.5] * 20, [2] * 20]), r"recording 4 does not move in any channel"),
        (broken_ts(lambda r: [[1e300] * 19 + [0], r[1]]), r"recording 4 has values beyond float32"),
        (broken_ts(label="Rum"), r"recording 4 is of class rum, which @classLabel does not list \(Run Sit\)"),
        (broken_ts(header="@timeStamps true\n"), r"time stamps are not supported"),
        (broken_ts(header="@targetLabel true\n"), r"no class labels"),
        (broken_ts(classes="Run run Sit"), r"differ only by case"),
    ],
)
def test_broken_ts_names_file_and_recording(ts_pair, tmp_path, fault, message):
    series, labels, header = fault
    ts_pair["train_ts"] = write_ts(tmp_path / "bad_TRAIN.ts", series, labels, **header)
    with pytest.raises(DataError, match=rf"bad_TRAIN\.ts: .*{message}") as caught:
        load_dataset(ts_pair)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("@dimensions 3\n", r"2 channels, but the header says @dimensions 3: correct one"),
        ("@seriesLength 9\n", r"20 samples, but the header says @seriesLength 9: correct one"),
        ("@seriesLength 10\n", r"20 samples, but .* @seriesLength 10: are decimals written with commas\? Write points"),
        ("@univariate true\n", r"2 channels, but the header says @univariate true: correct one"),
    ],
)
def test_a_header_that_says_something_else_than_its_data_is_refused(ts_pair, tmp_path, header, message):
    ts_pair["train_ts"] = write_ts(tmp_path / "bad_TRAIN.ts", WAVES[:10], LABELS[:10], header=header)
    with pytest.raises(DataError, match=rf"bad_TRAIN\.ts, line \d+: {message}"):
        load_dataset(ts_pair)


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "@data is missing"), ("@classLabel true A B\n@data\n", "no data"), (b"\xff\xfe\x00", "@data is missing")],
)
def test_files_that_are_no_ts(ts_pair, tmp_path, content, message):
    path = tmp_path / "bad.ts"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=rf"bad\.ts: .*{message}"):
        load_dataset({**ts_pair, "train_ts": path})


def test_class_only_in_the_test_part(ts_pair, tmp_path):
    labels = ["Run", "Sit", "Sit", "Fly", "Run", "Run"]
    ts_pair["test_ts"] = write_ts(tmp_path / "c_TEST.ts", WAVES[10:], labels, classes="Run Sit Fly")
    with pytest.raises(DataError, match=r"c_TEST\.ts: test recording 3 is of class Fly.*\(Run, Sit\)"):
        load_dataset(ts_pair)


def test_parts_of_different_length(ts_pair, tmp_path):
    ts_pair["test_ts"] = write_ts(tmp_path / "d_TEST.ts", WAVES[10:, :, :9], LABELS[10:])
    with pytest.raises(DataError, match=r"d_TEST\.ts: .*\(2, 9\).*\(2, 20\)"):
        load_dataset(ts_pair)


# .npz


def test_npz_holds_a_test_part_out(save):
    d = load_dataset(save())
    assert [len(part.y) for part in (d.train, d.validation, d.test)] == [8, 4, 4]
    assert all(np.ptp(np.bincount(part.y)) == 0 for part in (d.train, d.validation, d.test))
    assert len(rows(d.train) | rows(d.validation) | rows(d.test)) == 16


def test_integer_classes_with_and_without_labels(save):
    y = np.array([2, 0] * 8)
    assert load_dataset(save(y=y)).class_names == ("0", "2")
    named = load_dataset(save(y=y, labels=np.array(["b", "unused", "a"])))
    assert named.class_names == ("a", "b")
    plain = load_dataset(save(y=np.where(y == 2, "a", "b")))
    np.testing.assert_array_equal(named.train.y, plain.train.y)
    assert load_dataset(save(y=y.astype(float))).class_names == ("0", "2")


def test_npz_names_its_channels_and_rate(save):
    d = load_dataset(save(channels=np.array(["acc x", "acc y"]), rate_hz=np.array(50), X_test=WAVES, y_test=LABELS))
    assert (d.channel_names, d.rate_hz) == (("acc x", "acc y"), 50.0)
    plain = load_dataset(save(X_test=WAVES, y_test=LABELS))
    assert (plain.channel_names, plain.rate_hz) == (("channel 0", "channel 1"), None)
    # Names change nothing that is trained on.
    assert plain.fingerprint == d.fingerprint


def test_what_is_written_is_read_again(tmp_path):
    groups = np.array([f"person {index // 4}" for index in range(16)])
    train = RawPart("", np.float32(WAVES), tuple(LABELS), groups, ("acc x", "acc y"), 12.5)
    test = train._replace(x=train.x[:3] + 1, labels=("Sit", "Run", "Sit"), groups=np.array(["p", "q", "q"]))
    write_npz(tmp_path / "both.npz", train, test)
    for part, again in zip((train, test), read_npz(tmp_path / "both.npz"), strict=True):
        np.testing.assert_array_equal(part.x, again.x)
        np.testing.assert_array_equal(part.groups, again.groups)
        assert (part.labels, part.channels, part.rate_hz) == (again.labels, again.channels, again.rate_hz)
    write_npz(tmp_path / "bare.npz", train._replace(groups=None, channels=None, rate_hz=None), None)
    assert sorted(np.load(tmp_path / "bare.npz")) == ["X", "y"]


def test_preparing_in_pieces_changes_nothing(save, monkeypatch):
    whole = load_dataset(save(), length=33)
    monkeypatch.setattr(model.dataset.loading, "PREPARED_AT_ONCE", 3)
    pieces = load_dataset(save(), length=33)
    for name in ("train", "validation", "test"):
        for one, other in zip(getattr(whole, name)[:4], getattr(pieces, name)[:4], strict=True):
            np.testing.assert_array_equal(one, other)


def test_groups_stay_together(save):
    groups = np.repeat(np.arange(8), 2)
    d = load_dataset(save(groups=groups))
    sets = [set(part.groups) for part in (d.train, d.validation, d.test)]
    assert not sets[0] & sets[1]
    assert not (sets[0] | sets[1]) & sets[2]
    assert set.union(*sets) == {str(g) for g in range(8)}
    assert all(set(part.y) == {0, 1} for part in (d.train, d.validation, d.test))


def test_another_validation_part_is_drawn_from_the_same_recordings(basic_motions):
    first, again, other = (draw_validation(basic_motions, 0.25, seed) for seed in (3, 3, 4))
    pool = rows(basic_motions.train) | rows(basic_motions.validation)
    for d in (first, other):
        assert not rows(d.train) & rows(d.validation)
        assert rows(d.train) | rows(d.validation) == pool
        assert np.bincount(d.validation.y).tolist() == [3, 3, 3, 3]
        assert d.test is basic_motions.test
        parts = (basic_motions.train, basic_motions.validation)
        where = {row.tobytes(): y for part in parts for row, y in zip(part.x, part.y, strict=True)}
        assert [where[row.tobytes()] for row in d.validation.x] == d.validation.y.tolist()
    np.testing.assert_array_equal(first.validation.x, again.validation.x)
    assert rows(first.validation) != rows(other.validation)
    assert first.fingerprint == again.fingerprint
    assert len({d.fingerprint for d in (basic_motions, first, other)}) == 3


def test_a_drawn_validation_part_keeps_groups_together(save):
    loaded = load_dataset(save(groups=np.repeat(np.arange(8), 2)))
    held = set()
    for seed in range(6):
        d = draw_validation(loaded, 0.25, seed)
        assert not set(d.train.groups) & set(d.validation.groups)
        held.add(tuple(sorted(set(d.validation.groups))))
    assert len(held) > 1


def test_a_class_without_a_training_recording_is_refused(save):
    loaded = load_dataset(save(groups=np.repeat(np.arange(8), 2)))
    y, groups = loaded.train.y, loaded.train.groups
    first, second = (
        loaded.train._replace(y=np.full_like(y, label), groups=np.full_like(groups, name))
        for label, name in ((0, "a"), (1, "b"))
    )
    with pytest.raises(DataError, match=r"drawn with seed 3 leaves no training recording of \w+: more groups"):
        draw_validation(replace(loaded, train=first, validation=second), 0.25, 3)


def test_constant_channel_becomes_zeros_and_is_logged(save, caplog):
    x = WAVES.copy()
    x[5, 1] = 9.81
    with caplog.at_level(logging.WARNING):
        d = load_dataset(save(X=x))
    assert "1 constant channels become zeros (first: recording 5, channel 1)" in caplog.text
    found = [(part, i) for part in (d.train, d.validation, d.test) for i in np.flatnonzero(part.scale[:, 1] == 1.0)]
    assert len(found) == 1
    part, i = found[0]
    assert not part.x[i, 1].any()
    np.testing.assert_allclose(raw(part)[i, 1], 9.81, rtol=1e-6)


def nan_at(recording):
    x = WAVES.copy()
    x[recording, 1, 2] = np.nan
    return x


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": nan_at(7)}, r"recording 7, channel 1, sample 2 is nan"),
        ({"X": WAVES[:, 0]}, r"X must be \(recordings, channels, length\), got \(16, 20\)"),
        ({"X": WAVES[:, :, :1]}, r"at least 2 samples"),
        ({"X": WAVES[:0], "y": np.array([], dtype=str)}, r"no data"),
        ({"X": np.array(["a"])[:, None, None], "y": np.array(["a"])}, r"X must hold numbers"),
        ({"X": np.array([[[{}]]], dtype=object)}, r"no objects"),
        ({"y": np.array(["a"] * 16)}, r"all recordings are of one class \(a\)"),
        ({"y": np.array(LABELS[:15])}, r"y must have one entry per recording, \(16,\), got \(15,\)"),
        ({"y": np.linspace(0, 1, 16)}, r"y of recording 1 is .*not a whole number"),
        ({"y": np.arange(16) > 7}, r"y must hold integers or strings, got bool"),
        ({"y": np.arange(16)}, r"16 recordings of 16 classes are too few"),
        ({"X": WAVES[:2], "y": np.array(["a", "b"])}, r"2 recordings of 2 classes are too few"),
        ({"y": np.array([0, 2] * 8), "labels": np.array(["a", "b"])}, r"y of recording 1 is 2, but labels names 2"),
        ({"labels": np.array(["a", "a"])}, r"labels must be a list of different class names"),
        ({"groups": np.zeros(16, dtype=int)}, r"all recordings are of one group \(0\)"),
        ({"groups": np.array([0, 1] * 8)}, r"more groups are needed"),
        ({"groups": np.zeros(3, dtype=int)}, r"groups must have one entry per recording"),
        ({"X_test": WAVES[:2]}, r"X_test and y_test belong together"),
        ({"X_test": WAVES[:2], "y_test": np.array(["Run", "Fly"])}, r"test recording 1 is of class Fly"),
        ({"X_test": nan_at(0), "y_test": np.array(LABELS)}, r"\(X_test\): recording 0, channel 1, sample 2 is nan"),
        (
            {
                "groups": np.repeat(np.arange(8), 2),
                "X_test": WAVES[:2],
                "y_test": np.array(LABELS[:2]),
                "groups_test": np.array([8, 3]),
            },
            r"group 3 is in the training and in the test part",
        ),
        (
            {"channels": np.array(["a", "b", "c"])},
            r"channels must hold the names of the 2 channels of X, got <U1 \(3,\)",
        ),
        ({"channels": np.array([1, 2])}, r"channels must hold the names of the 2 channels of X, got int64"),
        ({"channels": np.array(["a", "a"])}, r"channels must be different names, none empty; got 'a'"),
        ({"channels": np.array(["a", " "])}, r"channels must be different names, none empty; got ' '"),
        ({"rate_hz": np.array([50.0])}, r"rate_hz must be one number above 0, the samples per second, got \[50\.0\]"),
        ({"rate_hz": np.array(0)}, r"rate_hz must be one number above 0, .* got 0"),
        ({"rate_hz": np.array("50")}, r"rate_hz must be one number above 0, .* got 50"),
        ({"group": np.arange(16)}, r"unknown group; it holds X, y, group"),
        ({"y": None}, r"missing y; it holds X, expected X, y"),
    ],
)
def test_broken_npz_names_the_fault(save, changes, message):
    with pytest.raises(DataError, match=rf"waves\.npz.*{message}") as caught:
        load_dataset(save(**changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04 cut off"])
def test_not_an_npz_file(tmp_path, content):
    path = tmp_path / "broken.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.npz: not an \.npz file of plain arrays"):
        load_dataset({"npz": path})


def test_single_array_instead_of_an_npz(tmp_path):
    path = tmp_path / "one.npz"
    with path.open("wb") as file:
        np.save(file, WAVES)
    with pytest.raises(DataError, match=r"one\.npz: an \.npz file was expected"):
        load_dataset({"npz": path})


def test_class_with_one_recording_stays_in_training(save, caplog):
    y = np.array([*LABELS[:15], "Once"])
    test = {"X_test": WAVES[:4], "y_test": np.array(LABELS[:4])}
    with caplog.at_level(logging.WARNING):
        d = load_dataset(save(y=y, **test))
    assert 0 in d.train.y
    assert "the validation part has no recording of Once" in caplog.text


# Sources


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"nmae": "BasicMotions"}, r"nmae: unknown key; did you mean .name"),
        ({"name": "BasicMotions", "npz": "a.npz"}, r"exactly one of .*got name and npz"),
        ({"train_ts": "a.ts"}, r"train_ts and test_ts belong together"),
        ({"npz": "a.npz", "extract_path": "x"}, r"extract_path is the folder in which a name"),
        ({"name": "some/file.ts"}, r"not a path"),
        ({"npz": "missing.npz"}, r"no such file: missing\.npz"),
        ({"train_ts": "a.ts", "test_ts": "b.ts"}, r"no such file: a\.ts"),
    ],
)
def test_wrong_source(given, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        load_dataset(given)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1])
def test_wrong_fraction(save, fraction):
    with pytest.raises(DataError, match="between 0 and 1"):
        load_dataset(save(), validation_fraction=fraction)


def test_resolve_makes_paths_absolute_and_checks_them(tmp_path, save):
    save()
    source = DataSource(npz=Path("waves.npz")).resolve(tmp_path)
    assert source.npz == tmp_path / "waves.npz"
    assert source.model_dump(mode="json", exclude_none=True) == {"npz": str(tmp_path / "waves.npz")}
    with pytest.raises(DataError, match=rf"npz: no such file: {tmp_path}/other\.npz"):
        DataSource(npz=Path("other.npz")).resolve(tmp_path)
    named = DataSource(name="BasicMotions")
    assert named.resolve(tmp_path) == named
    assert DataSource() == named


def test_unknown_name_says_what_to_do(tmp_path):
    with pytest.raises(
        DataError, match=r"BasicMotion \(did you mean BasicMotions\?\).*BasicMotion_TRAIN\.ts"
    ) as caught:
        load_dataset({"name": "BasicMotion", "extract_path": tmp_path})
    assert "\n" not in str(caught.value)


def test_failed_download_says_where_the_files_go(tmp_path, monkeypatch):
    import aeon.datasets

    def offline(*_, **__):
        raise ValueError("Name or service not known")

    monkeypatch.setattr(aeon.datasets, "load_classification", offline)
    expected = rf"Epilepsy is neither there .*Name or service.*{tmp_path}/Epilepsy/Epilepsy_TRAIN\.ts"
    with pytest.raises(DataError, match=expected):
        load_dataset({"name": "Epilepsy", "extract_path": tmp_path})


def test_npz_needs_neither_aeon_nor_ray_nor_torch(save):
    path = save()["npz"]
    code = (
        "import sys; from model.dataset.loading import load_dataset; "
        f"load_dataset({{'npz': {str(path)!r}}}); "
        "print(sorted({'aeon', 'ray', 'torch'} & sys.modules.keys()))"
    )
    root = Path(importlib.util.find_spec("model").origin).parent.parent
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert answer.stdout.strip() == "[]"
