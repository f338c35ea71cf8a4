"""Drawings suit images of any size: type, lines, panels, and labels that leave each other room."""

import numpy as np
import pytest

from visus.vision.colours import class_colour, ink_on
from visus.vision.drawing.boxes import draw_boxes
from visus.vision.drawing.masks import draw_areas
from visus.vision.drawing.panels import draw_label_panel, draw_legend
from visus.vision.drawing.places import place_labels
from visus.vision.drawing.sizes import line_width, type_size
from visus.vision.drawing.text import tag_height
from visus.vision.images import Pixels
from visus.vision.masks import IGNORE

SIZES = [(240, 320), (810, 1080), (3000, 4000), (4000, 3000), (300, 4000)]
LABELS = [("Egyptian cat", 0.4), ("tiger cat", 0.3), ("tabby", 0.2), ("lynx", 0.1), ("fox", 0.0)]


def grey(height: int, width: int) -> Pixels:
    return np.full((height, width, 3), 128, np.uint8)


def changed(image: Pixels, drawn: Pixels) -> np.ndarray:
    return (image != drawn).any(2)


@pytest.mark.parametrize("shape", SIZES)
def test_type_and_lines_follow_the_size_of_the_image(shape: tuple[int, int]) -> None:
    side = (shape[0] * shape[1]) ** 0.5
    assert side / 70 <= type_size(shape) <= max(10, side / 25)
    assert side / 600 <= line_width(shape) <= max(2, side / 200)


@pytest.mark.parametrize("still", [True, False])
@pytest.mark.parametrize("count", [1, 10, 60])
def test_labels_do_not_overlap(count: int, still: bool) -> None:
    rng = np.random.default_rng(count)
    corners = rng.uniform(0, 400, (count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 200, (count, 2))], 1)
    places = place_labels(boxes, [[90, 50]] * count, 20, (480, 640), still)
    taken = np.zeros((480, 640), int)
    for place in places:
        if place is not None:
            form, left, top = place
            area = taken[top : top + 20, left : left + (90, 50)[form]]
            assert area.shape == (20, (90, 50)[form])
            area += 1
    assert taken.max() == 1
    # Ten labels have room, sixty need not.
    assert count == 60 or None not in places


def test_a_label_is_beside_the_objects_where_there_is_room() -> None:
    # Above the lower object there is the upper one.
    boxes = np.array([[100.0, 200, 200, 300], [100, 80, 200, 199]])
    (_, left, top), _ = place_labels(boxes, [[60], [60]], 20, (480, 640), True)  # type: ignore[misc]
    assert top >= 300 or left >= 200 or left + 60 <= 100


def test_without_room_a_label_loses_its_score_then_itself() -> None:
    boxes = np.array([[0.0, 0, 60, 20]] * 3)
    places = place_labels(boxes, [[60, 40]] * 3, 20, (40, 60), True)
    assert places[0] is not None
    assert places[1] is not None
    assert places[2] is None


@pytest.mark.parametrize("index", range(50))
def test_boxes_and_labels_contrast_with_a_background_of_their_colour(index: int) -> None:
    colour = class_colour(index)
    image = np.full((240, 320, 3), colour, np.uint8)
    box = np.array([[100.0, 100, 200, 200]])
    lines = changed(image, draw_boxes(image, box, [""], np.array([index])))
    assert lines[95:105, 150].any()
    assert not lines[120:180, 120:180].any()

    def luminance(colour: tuple[int, int, int]) -> float:
        return float(np.dot((np.array(colour) / 255) ** 2.2, (0.2126, 0.7152, 0.0722))) + 0.05

    pair = sorted((luminance(colour), luminance(ink_on(colour))))
    assert pair[1] / pair[0] >= 4.5


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("still", [True, False])
def test_the_class_panel_covers_a_fifth_at_most(shape: tuple[int, int], still: bool) -> None:
    image = grey(*shape)
    drawn = draw_label_panel(image, LABELS, still)
    assert drawn.shape == image.shape
    assert 0.005 < changed(image, drawn).mean() <= 0.2


def test_an_extreme_shape_is_drawn() -> None:
    image = grey(16, 9000)
    assert changed(image, draw_legend(image, [("road", (255, 0, 0))], True)).any()


@pytest.mark.parametrize("shape", [(28, 28), (64, 64), (100, 150)])
def test_below_a_small_image_nothing_is_hidden(shape: tuple[int, int]) -> None:
    image = grey(*shape)
    rows = [(name, class_colour(i)) for i, (name, _) in enumerate(LABELS)]
    for drawn in (draw_label_panel(image, LABELS, True), draw_legend(image, rows, True)):
        left = (drawn.shape[1] - shape[1]) // 2
        assert (drawn[: shape[0], left : left + shape[1]] == image).all()
        assert drawn.shape[0] > shape[0]
    # The frames of a video all have one size.
    assert draw_label_panel(image, LABELS, False).shape == image.shape
    assert draw_legend(image, rows, False).shape == image.shape


def test_the_panel_goes_to_the_corner_with_the_fewest_details() -> None:
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    image[240:, 320:] = 128
    drawn = changed(image, draw_label_panel(image, LABELS, True))
    assert not drawn[:240].any()
    assert not drawn[:, :320].any()
    assert drawn[300:, 450:].any()


def test_areas_have_lines_between_them_and_unlabelled_pixels_are_unchanged() -> None:
    image = grey(120, 160)
    mask = np.zeros((120, 160), np.uint8)
    mask[:, 80:] = 1
    mask[:40] = IGNORE
    drawn = draw_areas(image, mask, [(255, 0, 0), (0, 0, 255)])
    assert (drawn[:40] == image[:40]).all()
    assert (drawn[80, 79] == (255, 0, 0)).all()
    assert (drawn[80, 80] == (0, 0, 255)).all()
    assert (drawn[80, 20] != (255, 0, 0)).any()


def test_a_box_larger_than_the_image_and_a_long_label_are_drawn() -> None:
    image = grey(40, 50)
    box = np.array([[-20.0, -10, 90, 80]])
    drawn = draw_boxes(image, box, ["an endless label " * 9], np.array([3]), np.array([0.5]))
    assert drawn.shape == image.shape
    assert changed(image, drawn)[: tag_height(type_size(image.shape))].any()
