"""Corruptions: each severity changes an image more than the one before."""

from itertools import pairwise

import numpy as np
import pytest

from visus.vision.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from visus.vision.scenes import make_scene


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_the_change_grows_with_the_severity(name, channels):
    scene = make_scene(3, (96, 128), (3, 5)).image
    image = np.ascontiguousarray(scene[..., [0, 1, 2, 0, 1][:channels]])
    changes = []
    for severity in SEVERITIES:
        changed = corrupt(image, name, severity, seed=1)
        assert changed.shape == image.shape and changed.dtype == np.uint8
        changes.append(np.abs(changed.astype(int) - image).mean())
    assert changes[0] > 0 and changes[-1] > 1.2 * changes[0]
    # A scale of 0.6 blurs between pixels, which one of 0.5 does not.
    assert all(later > 0.85 * earlier for earlier, later in pairwise(changes))


def test_a_seed_repeats_the_noise():
    image = make_scene(3, (40, 40)).image
    first, again, other = (corrupt(image, "noise", 2, seed) for seed in (1, 1, 2))
    assert (first == again).all() and (first != other).any()


def test_unknown_names_and_severities_are_refused():
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="'rain' of severity 1"):
        corrupt(image, "rain", 1)
    with pytest.raises(ValueError, match="severity 6"):
        corrupt(image, "noise", 6)


def test_tiny_images_can_be_corrupted():
    for name in CORRUPTIONS:
        assert corrupt(np.full((1, 2, 3), 90, np.uint8), name, 5).shape == (1, 2, 3)
