"""Ranges of the arguments that several data modules have."""

import os
from typing import Any

from visus.vision.ranges import NOT_NEGATIVE, Range, check_ranges

_RANGES = {
    "image_size": Range(1, 16_384),
    "crop_size": Range(1, 16_384),
    "in_channels": Range(1, 1024),
    "batch_size": Range(1, 1_000_000),
    # More would use up the machine's processes.
    "num_workers": Range(0, max(64, 4 * (os.cpu_count() or 1))),
    "val_share": Range(0, 1, (True, True)),
    "fold": NOT_NEGATIVE,
    "train_scale": Range(0, 1, (True, False)),
    "count": Range(1, 100_000_000),
    "seed": Range(0, 2**32 - 1),
    "min_count": Range(1),
    "max_words": Range(2, 1000),
    "captions_per_image": Range(1, 1000),
    "views": Range(1, 1000),
    "images_per_person": Range(1, 1000),
    "min_face": Range(1, 16_384),
    "components": Range(1, 1000),
    "frames": Range(1, 1000),
    "seconds": Range(0, 3600, (True, False)),
    "photographs_per_batch": Range(1, 1_000_000),
}


def check_data_ranges(**values: Any) -> None:
    """Refuse arguments of a data module outside of their ranges.

    Args:
        values: Arguments by name; None for those that were not given.

    Raises:
        VisusError: Naming the argument, its value and the range.
    """
    check_ranges("data", _RANGES, values)
