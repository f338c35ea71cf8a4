import base64
import io

import numpy as np
import pytest
from PIL import Image
from visus.apps.inference.predictions_tmp import to_prediction

from visus.tasks.segmentation.prediction import SegmentationPrediction
from visus.vision.metadata import ModelMetadata
from visus.vision.resize import resize_to_input

NAMES = ("ground", "road", "tree")


def metadata(**options):
    return ModelMetadata(
        "segmentation", NAMES, (32, 64), 3, "letterbox", (0.0,) * 3, (1.0,) * 3, options
    )


@pytest.mark.parametrize("mode", ["letterbox", "stretch"])
@pytest.mark.parametrize("zoom", [1, 4])
def test_logits_become_a_mask_of_the_images_size(mode, zoom):
    """A blot where the image has one, whatever the fit and the resolution of the logits."""
    truth = np.zeros((90, 120), np.uint8)
    truth[30:60, 40:100] = 1
    fitted, mapping = resize_to_input(truth[:, :, None] * 255, (32, 64), mode)
    sure = fitted[:, :, 0].astype(np.float32) / 255
    sure = sure.reshape(32 // zoom, zoom, 64 // zoom, zoom).mean((1, 3))
    logits = np.stack([1 - sure, sure, np.full_like(sure, -1)])
    found = to_prediction([logits], mapping, metadata())
    assert found.mask.shape == (90, 120)
    both = ((found.mask == 1) & (truth == 1)).sum()
    # Coarse logits round the corners off, but move nothing.
    assert both / ((found.mask == 1) | (truth == 1)).sum() > (0.9 if zoom == 1 else 0.85)
    places = [np.mean(np.nonzero(mask == 1), axis=1) for mask in (found.mask, truth)]
    np.testing.assert_allclose(*places, atol=1)


def test_json_carries_a_png_of_ids_with_a_palette_and_the_areas():
    found = SegmentationPrediction(
        np.array([[0, 0, 2], [0, 0, 2]], np.uint8), NAMES, ((1, 2, 3), (4, 5, 6), (7, 8, 9))
    )
    told = found.to_json()
    assert told["task"] == "segmentation"
    assert told["areas"] == pytest.approx({"ground": 2 / 3, "tree": 1 / 3}, abs=1e-6)
    image = Image.open(io.BytesIO(base64.b64decode(told["mask"])))
    assert image.mode == "P" and (np.asarray(image) == found.mask).all()
    assert image.getpalette()[6:9] == [7, 8, 9]
    assert found.summary() == "ground 66.7%, tree 33.3%"


def test_colours_are_the_data_sets_or_our_own():
    _, mapping = resize_to_input(np.zeros((32, 64, 1), np.uint8), (32, 64), "stretch")
    logits = [np.zeros((3, 8, 16), np.float32)]
    given = to_prediction(logits, mapping, metadata(colours=[[1, 2, 3], [4, 5, 6], [7, 8, 9]]))
    assert given.colours[1] == (4, 5, 6)
    assert len(set(to_prediction(logits, mapping, metadata()).colours)) == 3


@pytest.mark.parametrize(
    ("mask", "colours"),
    [
        (np.zeros((2, 2), np.int64), ((0, 0, 0),) * 3),
        (np.zeros((2, 2, 1), np.uint8), ((0, 0, 0),) * 3),
        (np.full((2, 2), 3, np.uint8), ((0, 0, 0),) * 3),
        (np.zeros((2, 2), np.uint8), ((0, 0, 0),)),
    ],
)
def test_what_is_no_mask_is_refused(mask, colours):
    with pytest.raises(ValueError, match=r"mask|class id|colours"):
        SegmentationPrediction(mask, NAMES, colours)
