"""The data sets that the quality benchmark trains on, from its command line, each checked before any run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from benchmarks.command_line import BenchmarkError
from model.configuration.reading import read_configuration, resolve_configuration
from model.dataset.sources import EMBEDDED_NAME
from model.study import ShapeActionStudy

VOCABULARIES = Path(__file__).parents[2] / "spaces" / "sub_actions"
SHIPPED = {"BasicMotions": "basic_motions.yaml", "Epilepsy": "epilepsy.yaml"}
DEFAULT_SERIES = 10_800  # that ours sees in training: some 40 s of one thread; on BasicMotions 60 epochs


class DataSet(NamedTuple):
    """One data set, ready to be trained on."""

    label: str
    configuration: dict[str, Any]  # complete but for codebook size and seed
    study: ShapeActionStudy


def data_sets(options: SimpleNamespace) -> list[DataSet]:
    """Read and check all data sets that the command line asks for.

    Raises:
        BenchmarkError: Options that do not go together.
        InputError: A data set, vocabulary or configuration that cannot be used.
    """
    asked = [_given(options, {"name": name}, name) for name in options.data]
    if options.train_ts or options.test_ts:
        if not (options.train_ts and options.test_ts):
            raise BenchmarkError("--train-ts and --test-ts belong together: give both files")
        asked.append(_given(options, {"train_ts": options.train_ts, "test_ts": options.test_ts}, options.name))
    elif options.name:
        raise BenchmarkError("--name goes with --train-ts and --test-ts")
    asked += [_configured(options, file) for file in options.config]
    if not asked:
        asked = [_given(options, {"name": EMBEDDED_NAME}, EMBEDDED_NAME)]
    labels = [one.label for one in asked]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise BenchmarkError(f"{twice} is asked for more than once; give each data set once")
    return asked


def _given(options: SimpleNamespace, source: dict[str, Any], name: str | None) -> DataSet:
    """Return a data set with the default configuration."""
    vocabulary = options.vocabulary
    if vocabulary is None:
        if name not in SHIPPED:
            what = f"for {name}" if name else "for these files"
            raise BenchmarkError(f"--vocabulary is needed {what}: a YAML file with phrases per class")
        vocabulary = VOCABULARIES / SHIPPED[name]
    data = {key: str(value) for key, value in source.items()}
    values = resolve_configuration({"data": data, "vocabulary": str(vocabulary.absolute())}, Path.cwd())
    one = _checked(options, values, name)
    recordings, channels, _ = one.study.dataset.train.x.shape
    epochs = options.epochs or max(1, round(DEFAULT_SERIES / (recordings * channels)))
    return one._replace(configuration=one.configuration | {"epochs": epochs})


def _configured(options: SimpleNamespace, file: Path) -> DataSet:
    """Return a data set from a configuration file, as `model.train` reads it."""
    values = read_configuration(file).model_dump(mode="json")
    try:
        return _checked(options, values | ({"epochs": options.epochs} if options.epochs else {}), None)
    except ValueError as error:
        raise BenchmarkError(f"{file}: {error}") from None


def _checked(options: SimpleNamespace, values: dict[str, Any], name: str | None) -> DataSet:
    architecture = values["architecture"]
    for key, wanted in (("channels", "separate"), ("length", "a number of samples")):
        if architecture[key] in ("fused", "native"):
            raise BenchmarkError(f"architecture.{key}: the benchmark needs {wanted}, as the reference does")
    study = ShapeActionStudy(values)
    for codes in options.codes:
        study.check(values | {"codebook_size": codes})
    if study.test_split("cpu") is None:
        raise BenchmarkError(f"{study.dataset.name} has no test part; the benchmark measures on nothing else")
    return DataSet(name or study.dataset.name, values, study)
