"""Explain detections by HiResCAM for each box."""

import numpy as np
import torch

from visus.tasks.base import VisionTask
from visus.tasks.detection.prediction import DetectionPrediction, map_boxes
from visus.tasks.explaining import explanation, hires_cam
from visus.tasks.spec import Explanation
from visus.vision.drawing.boxes import draw_boxes
from visus.vision.images import Pixels
from visus.vision.resize import preprocess_image

_BOXES = 3
"""Number of boxes that are explained, those of highest score."""


def explain(task: VisionTask, image: Pixels) -> list[Explanation]:
    """HiResCAM of the scores of the best boxes that are reported, each with its box.

    Args:
        task: A detector in evaluation mode.
        image: uint8 of shape (height, width, channels).
    """
    batch, geometry = preprocess_image(image, task.metadata)
    images = torch.from_numpy(batch).to(task.device)
    with torch.inference_mode():
        outputs = task(images)
        (prediction,) = task.postprocess(outputs, [geometry])
    assert isinstance(prediction, DetectionPrediction)
    shown = prediction.above_threshold()
    _, kept = map_boxes([output[0].cpu().numpy() for output in outputs], geometry)
    # The prediction has the order of the outputs, but not all of them.
    rows = np.flatnonzero(kept)[prediction.scores >= prediction.threshold].tolist()
    explained = []
    for i, row in enumerate(rows[:_BOXES]):
        heat = hires_cam(task, images, lambda outputs, row=row: outputs[1][0, row])  # type: ignore[misc]
        caption = f"HiResCAM: {shown.label(i)} {shown.scores[i]:.2f}"
        drawn = explanation(image, heat, geometry, caption)
        boxed = draw_boxes(drawn.image, shown.boxes[[i]], [shown.label(i)], np.zeros(1, np.int64))
        explained.append(Explanation(boxed, caption, drawn.heat))
    return explained
