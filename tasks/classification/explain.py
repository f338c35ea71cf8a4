"""Explain a classification by Grad-CAM and saliency maps over the image."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from visus.models.inspection.saliency import saliency
from visus.tasks.base import VisionTask
from visus.tasks.classification.networks import SpatialTransformer
from visus.tasks.classification.task import ClassificationTask
from visus.tasks.explaining import explanation, grad_cam
from visus.tasks.spec import Explanation
from visus.vision.images import Pixels, visible
from visus.vision.resize import Geometry, preprocess_image

_CLASSES = 3
"""Number of classes that are explained, those of highest score."""


def explain(task: VisionTask, image: Pixels) -> list[Explanation]:
    """Grad-CAM for the classes of highest score, and saliency for the first.

    A spatial transformer adds the region of the image that it passes on.

    Args:
        task: A classifier in evaluation mode.
        image: uint8 of shape (height, width, channels).

    Raises:
        VisusError: If no convolution has an output larger than 1 x 1.
    """
    batch, geometry = preprocess_image(image, task.metadata)
    images = torch.from_numpy(batch).to(task.device)
    with torch.inference_mode():
        logits = task(images)[0][0]
    best = logits.argsort(descending=True)[:_CLASSES].tolist()
    names = task.class_names
    maps = [(f"Grad-CAM: {names[index]}", class_map(task, images, index)) for index in best]
    first = saliency(lambda values: task(values)[0][0, best[0]], images)
    maps.append((f"saliency: {names[best[0]]}", first))
    drawn = [explanation(image, heat, geometry, caption) for caption, heat in maps]
    front = _front(task)
    if front is not None:
        with torch.inference_mode():
            outline = front.outline(task.normalise(images))[0].cpu().numpy()
        region = _draw_region(visible(image), outline, geometry)
        drawn.append(Explanation(region, "spatial transformer"))
    return drawn


def _front(task: VisionTask) -> SpatialTransformer | None:
    """The layer before the backbone, if there is one."""
    return task.front if isinstance(task, ClassificationTask) else None


def _draw_region(image: Pixels, outline: NDArray[np.float32], geometry: Geometry) -> Pixels:
    """Draw the corners (4, 2), in pixels of the input, as an outline on the original image."""
    drawn = image.copy()
    corners = geometry.points_to_source(outline)
    width = max(1, round(max(image.shape[:2]) / 100))
    cv2.polylines(drawn, [corners.round().astype(np.int32)], True, (255, 80, 0), width, cv2.LINE_AA)
    return drawn


def class_map(task: VisionTask, images: Tensor, index: int) -> NDArray[np.float32]:
    """Grad-CAM of a class, over the network's input.

    Args:
        task: The classifier.
        images: One preprocessed image, uint8 of shape (1, channels, height, width).
        index: The class id.

    Returns:
        Shape (height, width), 0 to 1.

    Raises:
        VisusError: If no convolution has an output larger than 1 x 1.
    """
    heat = grad_cam(task, images, lambda outputs: outputs[0][0, index])
    front = _front(task)
    if front is None:
        return heat
    # The map covers the region that the spatial transformer passes on.
    with torch.no_grad():
        maps = front.to_image(
            torch.from_numpy(heat)[None, None].to(task.device), task.normalise(images)
        )
    return np.asarray(maps[0, 0].cpu().numpy(), np.float32)
