from __future__ import annotations

import pytest

from model.configuration.layout import Layout, patch_layout


@pytest.mark.parametrize(
    ("samples", "patches", "patch_samples", "expected"),
    [
        (512, None, None, Layout(512, 64, 8)),
        (500, None, 10, Layout(500, 50, 10)),
        (500, 100, None, Layout(500, 100, 5)),
        (500, 64, 8, Layout(500, 64, 8)),
        (500, None, 8, Layout(500, 63, 8)),
        (100, None, None, Layout(100, 64, 2)),
    ],
)
def test_what_is_left_out_follows(
    samples: int, patches: int | None, patch_samples: int | None, expected: Layout
) -> None:
    assert patch_layout(samples, patches, patch_samples) == expected


@pytest.mark.parametrize("samples", [7, 64, 100, 499, 512])
def test_layouts_that_follow_are_the_smallest_that_cover(samples: int) -> None:
    for given in range(1, samples + 1):
        _, patches, size = patch_layout(samples, None, given)
        assert (patches - 1) * size < samples <= patches * size
        _, patches, size = patch_layout(samples, given, None)
        assert patches * (size - 1) < samples <= patches * size


@pytest.mark.parametrize(
    ("patches", "patch_samples", "message"),
    [
        (
            60,
            8,
            "^patch_samples: 60 patches of 8 samples cover 480 samples and leave samples out; .* 500 needs 500 to 1000",
        ),
        (64, 16, "^patch_samples: 64 patches of 16 samples cover 1024 samples and are mostly padding"),
        (1001, None, "^patches: 1001 patches of 1 samples cover 1001 samples and are mostly padding"),
        (None, 1001, "^patch_samples: 1 patches of 1001 samples cover 1001 samples and are mostly padding"),
    ],
)
def test_layouts_that_cannot_be_are_refused(patches: int | None, patch_samples: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        patch_layout(500, patches, patch_samples)


def test_what_the_series_fills() -> None:
    assert patch_layout(500, 64, 8).filled_patches == 62.5
    assert patch_layout(512, 64, 8).filled_patches == 64
