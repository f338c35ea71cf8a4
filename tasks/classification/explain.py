"""Explain a classification by Grad-CAM and saliency maps over the image."""

import warnings

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from visus.tasks.base import VisionTask
from visus.tasks.classification.networks import SpatialTransformer
from visus.tasks.classification.task import ClassificationTask
from visus.tasks.spec import Explanation
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.resize import Geometry, preprocess_image

_CLASSES = 3
"""Number of classes that are explained, those of highest score."""


def explain(task: VisionTask, image: Pixels) -> list[Explanation]:
    """Grad-CAM for the classes of highest score, and saliency for the first.

    A spatial transformer adds the region of the image that it passes on.

    Args:
        task: A classifier in evaluation mode.
        image: uint8 RGB of shape (height, width, 3).

    Raises:
        VisusError: If no convolution has an output larger than 1 x 1.
    """
    batch, geometry = preprocess_image(image, task.metadata)
    inputs = task.normalise(torch.from_numpy(batch).to(task.device))
    with torch.inference_mode():
        logits = task.network(inputs)[0]
    best = logits.argsort(descending=True)[:_CLASSES].tolist()
    names = task.class_names
    maps = [(f"Grad-CAM: {names[index]}", grad_cam(task, inputs, index)) for index in best]
    maps.append((f"saliency: {names[best[0]]}", saliency(task, inputs, best[0])))
    drawn = [Explanation(overlay(image, heat, geometry), caption) for caption, heat in maps]
    front = _front(task)
    if front is not None:
        with torch.inference_mode():
            outline = front.outline(inputs)[0].cpu().numpy()
        drawn.append(Explanation(_draw_region(image, outline, geometry), "spatial transformer"))
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


def grad_cam(task: VisionTask, inputs: Tensor, index: int) -> NDArray[np.float32]:
    """Grad-CAM (Selvaraju et al. 2017) of the deepest convolution.

    Args:
        task: The classifier.
        inputs: One normalised image, float of shape (1, channels, height, width).
        index: The class id.

    Returns:
        Shape (height, width) of the input, 0 to 1.

    Raises:
        VisusError: If no convolution has an output larger than 1 x 1.
    """
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    front = _front(task)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with GradCAM(task.network, [last_convolution(task.network, inputs)]) as cam:
            maps = cam(inputs.clone().requires_grad_(), [ClassifierOutputTarget(index)])
    if front is not None:
        # The map covers the region that the spatial transformer passes on.
        with torch.no_grad():
            maps = front.to_image(torch.from_numpy(maps)[:, None], inputs)[:, 0].cpu().numpy()
    return np.asarray(maps[0], np.float32)


def saliency(task: VisionTask, inputs: Tensor, index: int) -> NDArray[np.float32]:
    """The magnitude of the logit's gradient at each pixel (Simonyan et al. 2014).

    Args:
        task: The classifier.
        inputs: One normalised image, float of shape (1, channels, height, width).
        index: The class id.

    Returns:
        Shape (height, width) of the input, 0 to 1.
    """
    inputs = inputs.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(task.network(inputs)[0, index], inputs)
    magnitude = gradient[0].abs().amax(0).cpu().numpy()
    # Relative to a percentile: beside a few outliers all other pixels would be black.
    scale = max(float(np.percentile(magnitude, 99)), 1e-12)
    return np.asarray(np.clip(magnitude / scale, 0, 1), np.float32)


def last_convolution(network: nn.Module, inputs: Tensor) -> nn.Module:
    """The last convolution whose output is larger than 1 x 1, in the order of execution.

    Args:
        network: The network.
        inputs: One normalised image, float of shape (1, channels, height, width).

    Raises:
        VisusError: If no convolution has an output larger than 1 x 1.
    """
    candidates: list[nn.Module] = []

    def record(module: nn.Module, _: object, output: Tensor) -> None:
        if min(output.shape[2:]) > 1:
            candidates.append(module)

    hooks = [
        module.register_forward_hook(record)
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        network(inputs)
    for hook in hooks:
        hook.remove()
    if not candidates:
        raise VisusError("--explain: no convolution of this network has an output above 1 x 1")
    return candidates[-1]


def overlay(image: Pixels, heat: NDArray[np.float32], geometry: Geometry) -> Pixels:
    """Overlay a heat map on the original image, from blue (0) to red (1).

    Args:
        image: uint8 RGB of shape (height, width, 3).
        heat: Shape (height, width) of the network's input, 0 to 1.
        geometry: The mapping between the image and the network's input.

    Returns:
        uint8 RGB of the image's shape.
    """
    levels = (heat * 255).astype(np.uint8)
    at_source = geometry.mask_to_source(levels).astype(np.uint8)
    # Smoothed, so that the coarse map does not appear more precise than it is.
    at_source = np.asarray(
        cv2.GaussianBlur(at_source, (0, 0), max(image.shape[:2]) / 150), np.uint8
    )
    colours = cv2.cvtColor(cv2.applyColorMap(at_source, cv2.COLORMAP_JET), cv2.COLOR_BGR2RGB)
    return np.asarray(
        cv2.addWeighted(image, 0.55, np.asarray(colours, np.uint8), 0.45, 0), np.uint8
    )
