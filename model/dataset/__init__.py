"""Recordings: where they come from, how they are cut, scaled and split; `python -m model.dataset` converts archives.

- `sources`: what a user says of where the recordings lie, checked
- `loading`: the data set that is trained on: read, split into parts, resampled, normalised
- `preprocessing`: gaps, windows, resampling, normalisation, on arrays
- `recordings`: recordings as files hold them, and whether they can be used
- `ts`, `npz`: the two formats that are trained on
- `archives`: the folder of an unpacked archive, and tables of numbers in text files
- `formats/`: the formats that are converted, one file each
"""

from model.dataset.loading import Dataset, Recordings, load_dataset, make_dataset
from model.dataset.recordings import RawPart
from model.dataset.sources import DataError, DataSource

__all__ = ["DataError", "DataSource", "Dataset", "RawPart", "Recordings", "load_dataset", "make_dataset"]
