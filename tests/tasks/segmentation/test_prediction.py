import base64
import io

import cv2
import numpy as np
import pytest
from PIL import Image

from visus.tasks.segmentation.prediction import SegmentationPrediction, postprocess
from visus.vision.metadata import ModelMetadata
from visus.vision.resize import preprocess_image, resize_to_input

NAMES = ("ground", "road", "tree")


def metadata(**options):
    return ModelMetadata(
        "segmentation", NAMES, (32, 64), 3, "letterbox", (0.0,) * 3, (1.0,) * 3, options
    )


@pytest.mark.parametrize("mode", ["letterbox", "stretch"])
@pytest.mark.parametrize("zoom", [1, 4])
def test_logits_become_a_mask_of_the_images_size(mode, zoom):
    """The object is where it is in the image, for any resize mode and resolution of the logits."""
    truth = np.zeros((90, 120), np.uint8)
    truth[30:60, 40:100] = 1
    resized, geometry = resize_to_input(truth[:, :, None] * 255, (32, 64), mode)
    score = resized[:, :, 0].astype(np.float32) / 255
    score = score.reshape(32 // zoom, zoom, 64 // zoom, zoom).mean((1, 3))
    logits = np.stack([1 - score, score, np.full_like(score, -1)])
    prediction = postprocess([logits], geometry, metadata())
    assert prediction.mask.shape == (90, 120)
    both = ((prediction.mask == 1) & (truth == 1)).sum()
    # Coarse logits round the corners off, but move nothing.
    assert both / ((prediction.mask == 1) | (truth == 1)).sum() > (0.9 if zoom == 1 else 0.85)
    centres = [np.mean(np.nonzero(mask == 1), axis=1) for mask in (prediction.mask, truth)]
    np.testing.assert_allclose(*centres, atol=1)


def test_json_carries_a_png_of_ids_with_a_palette_and_the_areas():
    prediction = SegmentationPrediction(
        np.array([[0, 0, 2], [0, 0, 2]], np.uint8), NAMES, ((1, 2, 3), (4, 5, 6), (7, 8, 9))
    )
    content = prediction.to_json()
    assert content["task"] == "segmentation"
    assert content["areas"] == pytest.approx({"ground": 2 / 3, "tree": 1 / 3}, abs=1e-6)
    image = Image.open(io.BytesIO(base64.b64decode(content["mask"])))
    assert image.mode == "P" and (np.asarray(image) == prediction.mask).all()
    assert image.getpalette()[6:9] == [7, 8, 9]
    assert prediction.summary() == "ground 66.7%, tree 33.3%"


def test_colours_are_those_of_the_data_set_or_generated():
    _, geometry = resize_to_input(np.zeros((32, 64, 1), np.uint8), (32, 64), "stretch")
    logits = [np.zeros((3, 8, 16), np.float32)]
    own = postprocess(logits, geometry, metadata(colours=[[1, 2, 3], [4, 5, 6], [7, 8, 9]]))
    assert own.colours[1] == (4, 5, 6)
    assert len(set(postprocess(logits, geometry, metadata()).colours)) == 3


@pytest.mark.parametrize(
    ("mask", "colours"),
    [
        (np.zeros((2, 2), np.int64), ((0, 0, 0),) * 3),
        (np.zeros((2, 2, 1), np.uint8), ((0, 0, 0),) * 3),
        (np.full((2, 2), 3, np.uint8), ((0, 0, 0),) * 3),
        (np.zeros((2, 2), np.uint8), ((0, 0, 0),)),
    ],
)
def test_invalid_masks_are_refused(mask, colours):
    with pytest.raises(ValueError, match=r"mask|class id|colours"):
        SegmentationPrediction(mask, NAMES, colours)


@pytest.mark.parametrize("seed", range(40))
def test_a_mask_is_the_best_class_of_interpolated_logits(seed):
    rng = np.random.default_rng(seed)
    classes, shape = int(rng.integers(1, 22)), rng.integers(1, 50, 2)
    source = rng.integers(5, 200, 2)
    mode = str(rng.choice(["stretch", "letterbox", "crop"]))
    names = tuple(map(str, range(classes)))
    described = ModelMetadata("segmentation", names, (64, 96), 3, mode, (0.0,) * 3, (1.0,) * 3)
    geometry = preprocess_image(np.zeros((*source, 3), np.uint8), described)[1]
    coarse = rng.normal(0, rng.choice([0.1, 1, 10]), (classes, *rng.integers(1, 12, 2)))
    logits = np.stack(
        [cv2.resize(plane, tuple(shape)[::-1]) for plane in coarse.astype(np.float32)]
    )
    logits = logits.reshape(classes, *shape)
    planes = np.stack([geometry.plane_to_source(plane) for plane in logits])
    assert (postprocess([logits], geometry, described).mask == planes.argmax(0)).all()
