import numpy as np
import pytest

from visus.tasks.detection.prediction import DetectionPrediction
from visus.tasks.segmentation.prediction import SegmentationPrediction
from visus.vision.concealing import HELD_SECONDS, ConcealingModel, conceal_image
from visus.vision.drawing.pixelate import pixelate
from visus.vision.model import Model
from visus.vision.scenes import make_scene

SIZE = (120, 160)
IMAGE = make_scene(1, SIZE).image


class Detector(Model):
    """Its predictions are passed to `apply_state` directly."""

    name, runtime, precision, workers = "detector", "torch", "fp32", 1

    def run(self, images): ...
    def preprocess(self, image): ...
    def predict_image(self, image): ...
    def set_option(self, name, value): ...


def detections(*objects, grids=None, threshold=0.5):
    """Each object is (x1, y1, x2, y2, class, score)."""
    rows = np.array(objects, np.float32).reshape(-1, 6)
    return DetectionPrediction(
        rows[:, :4],
        rows[:, 5],
        rows[:, 4].astype(np.int64),
        ("face", "car"),
        SIZE,
        threshold,
        grids,
    )


def changed(image):
    return (image != IMAGE).any(-1)


def blocks(part):
    """Number of different colours."""
    return len(np.unique(part.reshape(-1, part.shape[-1]), axis=0))


@pytest.mark.parametrize("channels", [1, 3, 4, 6])
@pytest.mark.parametrize("shape", [(1, 1), (3, 90), (50, 20), (120, 160)])
def test_a_region_keeps_at_most_sixteen_colours_whatever_its_size(channels, shape):
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, channels), np.uint8)
    region = np.zeros(SIZE, bool)
    region[: shape[0], : shape[1]] = True
    result = pixelate(image, region)
    assert blocks(result[region]) <= 16 and result[region].min() >= 8
    assert (result[~region] == image[~region]).all()


def test_a_small_change_of_a_region_does_not_show():
    """Consecutive frames of a video do not add up to more detail."""
    noisy = IMAGE.astype(int) + np.random.default_rng(0).integers(-3, 4, IMAGE.shape)
    region = np.zeros(SIZE, bool)
    region[20:80, 30:90] = True
    first, second = (
        pixelate(image.clip(0, 255).astype(np.uint8), region) for image in (IMAGE, noisy)
    )
    same = (first[region] == second[region]).all(-1)
    assert same.mean() > 0.8 and blocks(first[region]) <= 16


def test_boxes_are_concealed_with_a_margin_also_below_the_threshold():
    prediction = detections(
        (20, 20, 40, 40, 0, 0.9), (100, 60, 120, 80, 0, 0.2), (70, 70, 90, 90, 1, 0.9)
    )
    result = conceal_image(IMAGE, prediction, ["face"])
    assert blocks(result[15:45, 15:45]) <= 16 and blocks(result[55:85, 95:125]) <= 16
    assert not changed(result)[70:90, 70:90].any()
    # A higher threshold of what is reported conceals no less.
    higher = detections((100, 60, 120, 80, 0, 0.2), threshold=0.95)
    assert changed(conceal_image(IMAGE, higher, ["face"]))[60:80, 100:120].mean() > 0.9


def test_masks_are_concealed_instead_of_their_boxes():
    grids = np.zeros((1, 4, 4), np.float32)
    grids[0, :, :2] = 1
    prediction = detections((40, 40, 120, 100, 0, 0.9), grids=grids)
    altered = changed(conceal_image(IMAGE, prediction, ["face"]))
    assert altered[45:95, 45:75].mean() > 0.9 and not altered[:, 95:].any()


def test_classes_of_pixels_are_concealed():
    mask = np.zeros(SIZE, np.uint8)
    mask[:60] = 1
    prediction = SegmentationPrediction(mask, ("road", "person"), ((0, 0, 0), (9, 9, 9)))
    altered = changed(conceal_image(IMAGE, prediction, ["person"]))
    assert altered[:60].mean() > 0.9 and not altered[70:].any()


@pytest.mark.parametrize("rate", [5.0, 30.0])
def test_an_object_that_is_no_longer_detected_stays_concealed_where_it_moves(rate):
    model = ConcealingModel(Detector(), ["face"], rate)
    velocity, seconds = 60.0, 1.0
    for step in range(round(seconds * rate)):
        time = step / rate
        x = 10 + velocity * time
        seen = model.apply_state(detections((x, 40, x + 20, 60, 0, 0.9)), time)
    lost = time
    for step in range(1, round(2 * HELD_SECONDS * rate)):
        now = lost + step / rate
        x = 10 + velocity * now
        empty = model.apply_state(detections(), now)
        altered = changed(model.conceal(IMAGE, empty))
        if now - lost <= HELD_SECONDS:
            assert altered[42:58, round(x) : round(x) + 20].mean() > 0.9, now
        else:
            assert not altered.any()
    assert seen is not empty


def test_a_mask_stays_concealed_for_half_a_second():
    model = ConcealingModel(Detector(), ["person"])
    mask = np.zeros(SIZE, np.uint8)
    mask[:60] = 1
    names, colours = ("road", "person"), ((0, 0, 0), (9, 9, 9))
    model.apply_state(SegmentationPrediction(mask, names, colours), 1.0)
    empty = SegmentationPrediction(np.zeros(SIZE, np.uint8), names, colours)
    assert changed(model.conceal(IMAGE, model.apply_state(empty, 1.4)))[:60].mean() > 0.9
    assert not changed(model.conceal(IMAGE, model.apply_state(empty, 1.6))).any()
    # A stream that begins again.
    model.apply_state(SegmentationPrediction(mask, names, colours), 1.7)
    assert not changed(model.conceal(IMAGE, model.apply_state(empty, 0.1))).any()


def test_an_image_that_is_no_frame_is_concealed_by_its_own_prediction():
    model = ConcealingModel(Detector(), ["face"])
    model.apply_state(detections((20, 20, 40, 40, 0, 0.9)), 0.0)
    altered = changed(model.conceal(IMAGE, detections((100, 60, 120, 80, 0, 0.9))))
    assert altered[60:80, 100:120].mean() > 0.9 and not altered[20:40, 20:40].any()
