"""Where faces are reported, with networks that take white squares for faces."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from visus.vision.faces.detection import FaceStages, find_faces


def propose(images):
    """Scores of windows of 12 x 12 pixels at every second pixel: 1 for nearly white ones."""
    windows = np.lib.stride_tricks.sliding_window_view(images.min(1), (12, 12), (1, 2))
    scores = (windows[:, ::2, ::2].min((3, 4)) > 200).astype(np.float32)
    return scores, np.zeros((len(images), 4, *scores.shape[1:]), np.float32)


def accept(crops):
    """White crops are faces."""
    scores = (crops.mean((1, 2, 3)) > 200).astype(np.float32)
    return scores, np.zeros((len(crops), 4), np.float32)


def output(crops):
    """As `accept`, with landmarks in the centre."""
    return *accept(crops), np.full((len(crops), 10), 0.5, np.float32)


STAGES = FaceStages(propose, accept, output)


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(60, 400),
    width=st.integers(60, 400),
    side=st.integers(48, 200),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
@example(height=480, width=640, side=400, place=(0.8, 0.6))
def test_a_face_is_found_where_it_is_in_images_of_any_size(height, width, side, place):
    side = min(side, height, width)
    x, y = (round(p * (length - side)) for p, length in zip(place, (width, height), strict=True))
    image = np.zeros((height, width, 3), np.uint8)
    image[y : y + side, x : x + side] = 255
    found = find_faces(image, STAGES, side // 2)
    assert len(found)
    # A pixel of a small level of the pyramid covers many pixels of the image.
    tolerance = 0.2 * side
    low, high = found.boxes[:, :2] + tolerance, found.boxes[:, 2:] - tolerance
    assert (low >= (x, y)).all() and (high <= (x + side, y + side)).all()
    assert np.allclose(found.landmarks, (found.boxes.reshape(-1, 2, 2).mean(1))[:, None], atol=1)


def test_an_image_without_faces_has_none():
    assert len(find_faces(np.zeros((480, 640, 3), np.uint8), STAGES, 60)) == 0


def test_an_image_smaller_than_a_window_has_none():
    assert len(find_faces(np.full((10, 10, 3), 255, np.uint8), STAGES, 24)) == 0
