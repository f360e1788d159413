"""How a series is cut into patches: their number, their size, and what of them lies beyond the end of the series."""

from __future__ import annotations

from typing import NamedTuple

DEFAULT_PATCHES = 64


class Layout(NamedTuple):
    """A series of `samples` in `patches` of `patch_samples`; what they reach beyond its end is padding."""

    samples: int  # T
    patches: int  # P
    patch_samples: int

    @property
    def filled_patches(self) -> float:
        """Return the patches that the series itself fills; less than `patches` where there is padding."""
        return self.samples / self.patch_samples


def patch_layout(samples: int, patches: int | None, patch_samples: int | None) -> Layout:
    """Complete a layout: of the number of patches and their size, what is None follows from the other.

    Args:
        samples: Samples of a series (T).
        patches: None takes as few as cover the series, or 64 where the size is None too.
        patch_samples: None takes the smallest size at which the patches cover the series.

    Raises:
        ValueError: The patches do not cover the series, or more than half of what they cover is padding; begins with
            the key that is wrong.
    """
    key = "patches" if patch_samples is None else "patch_samples"
    if patches is None:
        patches = DEFAULT_PATCHES if patch_samples is None else -(-samples // patch_samples)
    if patch_samples is None:
        patch_samples = -(-samples // patches)
    covered = patches * patch_samples
    if not samples <= covered <= 2 * samples:
        what = "leave samples out" if covered < samples else "are mostly padding"
        raise ValueError(
            f"{key}: {patches} patches of {patch_samples} samples cover {covered} samples and {what}; "
            f"a series of length {samples} needs {samples} to {2 * samples}"
        )
    return Layout(samples, patches, patch_samples)
