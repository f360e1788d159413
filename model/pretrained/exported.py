"""A configuration that a search exported, as its files and as the trained model again.

Owns where configuration and checkpoint lie beside each other, and the way back from them to a model in evaluation
mode. The text of the classes lies in the checkpoint, so that no sentence encoder is loaded; the recordings do not, and
are read again.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from model.checkpoint import CheckpointError, read_model
from model.configuration.reading import Configuration, ConfigurationError, parse_configuration, read_configuration
from model.dataset.loading import DataError, Dataset, draw_validation, load_dataset
from model.files import MODEL_FILE
from model.network.shape_action import ShapeActionNetwork
from model.pretrained.shape_action import rebuild

CONFIGURATION_FILE = "configuration.yaml"
# What decides the meaning of the weights; of these, file and checkpoint may not differ.
BINDING = (
    *("method", "quantizer", "rotation_trick", "codebook_size", "action_codes", "num_sub_actions"),
    *("architecture", "windows"),
)


class ExportedFiles(NamedTuple):
    """The files of one exported configuration."""

    name: str  # such as knee
    configuration: Path | None  # None where only the checkpoint is there, which holds a copy
    checkpoint: Path
    folder: Path  # in which the exported configurations lie side by side


class ExportedModel(NamedTuple):
    """A trained model with what it was made from."""

    configuration: Configuration
    metadata: dict[str, Any]  # names of classes, channels and sub-actions, and which class owns which
    dataset: Dataset
    model: ShapeActionNetwork


def find_exported(path: Path) -> ExportedFiles:
    """Finds configuration and checkpoint.

    The path is `best/knee`, `best/knee.yaml` or `best/knee.safetensors`, or a folder with `configuration.yaml` and
    `model.safetensors`, or one of these two.

    Raises:
        CheckpointError: There is no such thing, or its checkpoint is missing; says what there is instead.
    """
    inside = path.name in (CONFIGURATION_FILE, MODEL_FILE)
    stem = path.with_suffix("") if path.suffix in (".yaml", ".safetensors") else path
    stem = path.parent if inside else stem
    if stem.is_dir() and (inside or not path.is_file()):
        stem = stem.resolve()
        configuration, checkpoint = stem / CONFIGURATION_FILE, stem / MODEL_FILE
    else:
        configuration, checkpoint = Path(f"{stem}.yaml"), Path(f"{stem}.safetensors")
    if not configuration.is_file() and not checkpoint.is_file():
        raise CheckpointError(f"{path}: is no exported configuration; {_instead(path)}")
    if not checkpoint.is_file():
        remedy = f"train it again with python -m model.train {configuration} --out {stem}, or copy it there"
        raise CheckpointError(f"{path}: its checkpoint {checkpoint} is missing; {remedy}")
    return ExportedFiles(stem.name, configuration if configuration.is_file() else None, checkpoint, stem.parent)


def _instead(path: Path) -> str:
    folder = path if path.is_dir() else path.parent
    here = {p.stem for p in folder.glob("*.safetensors")} | {p.parent.name for p in folder.glob(f"*/{MODEL_FILE}")}
    if (folder / "best").is_dir():
        return f"{folder} looks like a run: name one of its configurations, such as {folder / 'best' / 'knee'}"
    if close := get_close_matches(path.stem, sorted(here), n=1):
        return f"did you mean {folder / close[0]}?"
    return f"expected one such as best/knee of a run; {folder} has {', '.join(sorted(here)) or 'none'}"


def load_exported(files: ExportedFiles) -> ExportedModel:
    """Reads the checkpoint and the recordings, and builds the model, in evaluation mode on the CPU.

    Raises:
        CheckpointError: The checkpoint is damaged, of another configuration, or of other recordings.
        ConfigurationError: The configuration is damaged, or names data that are not there.
        DataError: The recordings cannot be read.
    """
    stored = read_model(files.checkpoint)
    if missing := [key for key in ("configuration", "classes", "channels", "sub_actions") if key not in stored.about]:
        raise CheckpointError(f"{files.checkpoint}: lacks {', '.join(missing)}; train it again")
    configuration = _configuration(files, stored.about)
    dataset = _recordings(configuration, files, stored.about)
    model = rebuild(files.checkpoint, stored, {**stored.about, "samples": dataset.train.x.shape[-1]})
    return ExportedModel(configuration, stored.about, dataset, model.eval())


def _configuration(files: ExportedFiles, metadata: dict[str, Any]) -> Configuration:
    try:
        trained = parse_configuration(metadata["configuration"])
    except ConfigurationError as error:
        raise CheckpointError(f"{files.checkpoint}: was trained by another version: {error}; train it again") from None
    if files.configuration is None:
        return trained
    configuration = read_configuration(files.configuration)
    for key in BINDING:
        said, was = getattr(configuration, key), getattr(trained, key)
        if said != was:
            raise CheckpointError(
                f"{files.checkpoint}: was trained with another {key} than {files.configuration} says; "
                "the two files do not belong together"
            )
    return configuration


def _recordings(configuration: Configuration, files: ExportedFiles, metadata: dict[str, Any]) -> Dataset:
    data, place = configuration.data, files.configuration or files.checkpoint
    try:
        source = data.source.resolve(Path())  # paths are absolute already; this looks whether the files are there
        dataset = load_dataset(
            source,
            length=configuration.architecture.length,
            validation_fraction=data.validation_fraction,
            split_seed=data.shared_seed,
        )
        if data.split_seed == "drawn":
            dataset = draw_validation(dataset, data.validation_fraction, configuration.seed)
    except DataError as error:
        raise DataError(f"{place}: data: {error}; the recordings are read again, so correct data there") from None
    for what, known in (("classes", dataset.class_names), ("channels", dataset.channel_names)):
        if list(known) != metadata[what]:
            raise CheckpointError(
                f"{files.checkpoint}: was trained on the {what} {', '.join(metadata[what])}, "
                f"but {dataset.name} has {', '.join(known)}"
            )
    return dataset
