"""What a classification is based on: Grad-CAM and saliency, laid over the image."""

import warnings

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from visus.tasks.base import VisionTask
from visus.tasks.spec import Explanation
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.resize import Geometry, preprocess_image

_CLASSES = 3
"""How many of the best classes are explained."""


def explain(task: VisionTask, image: Pixels) -> list[Explanation]:
    """Grad-CAM for each of the best classes, and saliency for the best.

    Args:
        task: A classifier in evaluation mode.
        image: uint8 RGB of shape (height, width, 3).

    Raises:
        VisusError: If the network has no convolution with a map larger than a point.
    """
    batch, geometry = preprocess_image(image, task.metadata)
    inputs = task.normalise(torch.from_numpy(batch).to(task.device))
    with torch.inference_mode():
        logits = task.network(inputs)[0]
    best = logits.argsort(descending=True)[:_CLASSES].tolist()
    names = task.class_names
    maps = [(f"Grad-CAM: {names[index]}", grad_cam(task, inputs, index)) for index in best]
    maps.append((f"saliency: {names[best[0]]}", saliency(task, inputs, best[0])))
    return [Explanation(overlay(image, heat, geometry), caption) for caption, heat in maps]


def grad_cam(task: VisionTask, inputs: Tensor, index: int) -> NDArray[np.float32]:
    """Grad-CAM (Selvaraju et al. 2017) of the deepest convolution.

    Args:
        task: The classifier.
        inputs: One normalised image, float of shape (1, channels, height, width).
        index: The class.

    Returns:
        Shape (height, width) of the input, 0 to 1.

    Raises:
        VisusError: If the network has no convolution with a map larger than a point.
    """
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with GradCAM(task.network, [deepest_map(task.network, inputs)]) as cam:
            maps = cam(inputs.clone().requires_grad_(), [ClassifierOutputTarget(index)])
    return np.asarray(maps[0], np.float32)


def saliency(task: VisionTask, inputs: Tensor, index: int) -> NDArray[np.float32]:
    """The gradient's size at each pixel (Simonyan et al. 2014).

    Args:
        task: The classifier.
        inputs: One normalised image, float of shape (1, channels, height, width).
        index: The class.

    Returns:
        Shape (height, width) of the input, 0 to 1.
    """
    inputs = inputs.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(task.network(inputs)[0, index], inputs)
    size = gradient[0].abs().amax(0).cpu().numpy()
    # A few pixels stand far out; the rest would be black beside them.
    return np.asarray(np.clip(size / max(float(np.percentile(size, 99)), 1e-12), 0, 1), np.float32)


def deepest_map(network: nn.Module, inputs: Tensor) -> nn.Module:
    """The last convolution whose output still has a place: more than one row and column.

    Raises:
        VisusError: If there is none.
    """
    found: list[nn.Module] = []

    def note(module: nn.Module, _: object, output: Tensor) -> None:
        if min(output.shape[2:]) > 1:
            found.append(module)

    hooks = [
        module.register_forward_hook(note)
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        network(inputs)
    for hook in hooks:
        hook.remove()
    if not found:
        raise VisusError("--explain: this network has no convolution with a map to show")
    return found[-1]


def overlay(image: Pixels, heat: NDArray[np.float32], geometry: Geometry) -> Pixels:
    """Lay a map of the fitted image over the original, from blue (0) to red (1)."""
    levels = (heat * 255).astype(np.uint8)
    at_source = geometry.mask_to_source(levels).astype(np.uint8)
    # Smooth, so that the coarse map does not look sharper than it is.
    at_source = np.asarray(
        cv2.GaussianBlur(at_source, (0, 0), max(image.shape[:2]) / 150), np.uint8
    )
    colours = cv2.cvtColor(cv2.applyColorMap(at_source, cv2.COLORMAP_JET), cv2.COLOR_BGR2RGB)
    return np.asarray(
        cv2.addWeighted(image, 0.55, np.asarray(colours, np.uint8), 0.45, 0), np.uint8
    )
