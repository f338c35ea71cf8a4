import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visus.vision.scenes import SHAPES, make_scene


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.integers(40, 120), st.integers(40, 120))
def test_ground_truth_is_consistent(seed, height, width):
    scene = make_scene(seed, (height, width))
    assert scene.image.shape == (height, width, 3)
    covered = np.zeros((height, width), int)
    for item in scene.objects:
        x1, y1, x2, y2 = item.box
        outside = item.mask.copy()
        outside[y1:y2, x1:x2] = False
        assert not outside.any()
        for edge in (item.mask[y1], item.mask[y2 - 1], item.mask[:, x1], item.mask[:, x2 - 1]):
            assert edge.any()
        covered += item.mask
        assert (scene.class_mask()[item.mask] == 1 + SHAPES.index(item.shape)).all()
    assert covered.max(initial=0) <= 1


def test_equal_seeds_give_equal_pixels():
    assert (make_scene(3).image == make_scene(3).image).all()
    assert (make_scene(3).image != make_scene(4).image).any()


@settings(max_examples=40)
@given(st.integers(0, 2**31))
def test_captions_are_true(seed):
    scene = make_scene(seed, objects=(2, 2))
    if len(scene.objects) < 2:
        return
    words = scene.caption().split()
    first, second = sorted(scene.objects, key=lambda item: -int(item.mask.sum()))
    assert words[1:3] == [first.colour, first.shape]
    assert words[-2:] == [second.colour, second.shape]
    (x1, y1), (x2, y2) = first.centre, second.centre
    truth = {"left": x1 < x2, "right": x1 > x2, "above": y1 < y2, "below": y1 > y2,
             "and": (x1, y1) == (x2, y2)}  # fmt: skip
    assert truth[words[3]]


def test_captions_are_judged_by_the_scene():
    scene = make_scene(6, objects=(2, 2), max_occlusion=0.0)
    caption = scene.caption()
    assert scene.is_true(caption)
    first, relation, second = re.fullmatch(
        r"(.*) (left of|right of|above|below) (.*)", caption
    ).groups()
    opposite = {"left of": "right of", "above": "below"}
    opposite |= {b: a for a, b in opposite.items()}
    assert scene.is_true(first) and scene.is_true(second) and scene.is_true(f"{second} and {first}")
    assert scene.is_true(f"{second} {opposite[relation]} {first}")
    other = next(name for name in SHAPES if name not in caption)
    for wrong in (
        f"{first} {opposite[relation]} {second}",
        f"{first} {relation} {first}",
        f"{first} {relation} a red {other}",
        f"a pink {first.split()[-1]}",
        f"{first} {relation}",
        "an empty ground",
        "",
    ):
        assert not scene.is_true(wrong), wrong


@settings(max_examples=40)
@given(st.integers(0, 2**31))
def test_every_caption_is_judged_true(seed):
    scene = make_scene(seed, objects=(0, 4))
    assert scene.is_true(scene.caption())


def test_too_small_an_image_is_refused():
    with pytest.raises(ValueError, match="no room"):
        make_scene(0, (10, 10))
