"""Gradient-based maps that explain an output of a task."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from visus.tasks.base import VisionTask
from visus.tasks.spec import Explanation
from visus.vision.drawing.heat import draw_heat
from visus.vision.errors import VisusError
from visus.vision.images import Pixels, visible
from visus.vision.resize import Geometry

_STAGES = 3
"""Stages of a backbone whose maps are averaged: objects of different sizes are found in them."""

Chosen = Callable[[tuple[Tensor, ...]], Tensor]
"""From the outputs of `forward` for one image to the number that is explained."""


def grad_cam(task: VisionTask, images: Tensor, chosen: Chosen) -> NDArray[np.float32]:
    """Grad-CAM (Selvaraju et al. 2017) of the deepest convolution of the backbone.

    The feature maps are weighted by their mean gradients, which suits a score of a whole image.

    Args:
        task: In evaluation mode.
        images: One preprocessed image, uint8 of shape (1, channels, height, width).
        chosen: What is explained.

    Returns:
        Shape (height, width) of the input, 0 to 1.

    Raises:
        VisusError: If no convolution of the backbone has an output larger than 1 x 1.
    """
    from pytorch_grad_cam import GradCAM

    layer = stage_convolutions(task.backbone, lambda: task(images))[-1]
    return _map(GradCAM, task, [layer], images, chosen)


def hires_cam(task: VisionTask, images: Tensor, chosen: Chosen) -> NDArray[np.float32]:
    """HiResCAM (Draelos and Carin 2020, arXiv:2011.08891) of the backbone's last three stages.

    The feature maps are multiplied by their gradients position by position, which suits a score
    that depends on a part of the image, such as that of a box.

    Args:
        task: In evaluation mode.
        images: One preprocessed image, uint8 of shape (1, channels, height, width).
        chosen: What is explained.

    Returns:
        Shape (height, width) of the input, 0 to 1.

    Raises:
        VisusError: If no convolution of the backbone has an output larger than 1 x 1.
    """
    from pytorch_grad_cam import HiResCAM

    layers = stage_convolutions(task.backbone, lambda: task(images))[-_STAGES:]
    return _map(HiResCAM, task, layers, images, chosen)


def _map(
    method: Callable[..., Any],
    task: VisionTask,
    layers: list[nn.Module],
    images: Tensor,
    chosen: Chosen,
) -> NDArray[np.float32]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with method(_Scorer(task, chosen), layers) as cam:
            maps = cam(images.float().requires_grad_(), [lambda score: score.sum()])
    return np.asarray(maps[0], np.float32)


class _Scorer(nn.Module):
    """A task with a single number as its output.

    Args:
        task: The task.
        chosen: See `Chosen`.
    """

    def __init__(self, task: VisionTask, chosen: Chosen) -> None:
        super().__init__()
        self.task = task
        self.chosen = chosen

    def forward(self, images: Tensor) -> Tensor:
        """The number, of shape (1, 1)."""
        return self.chosen(self.task(images)).reshape(1, 1)


def stage_convolutions(network: nn.Module, run: Callable[[], object]) -> list[nn.Module]:
    """The last convolution of each output size above 1 x 1, in the order of execution.

    Args:
        network: Its convolutions are candidates.
        run: Runs the network on an image.

    Raises:
        VisusError: If there is none.
    """
    last: dict[tuple[int, ...], nn.Module] = {}

    def record(module: nn.Module, _: object, output: Tensor) -> None:
        size = tuple(output.shape[2:])
        if min(size) > 1:
            last.pop(size, None)
            last[size] = module

    hooks = [
        module.register_forward_hook(record)
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        run()
    for hook in hooks:
        hook.remove()
    if not last:
        raise VisusError("--explain: no convolution of this network has an output above 1 x 1")
    return list(last.values())


def explanation(
    image: Pixels, heat: NDArray[np.float32], geometry: Geometry, caption: str
) -> Explanation:
    """A heat map of the network's input as an explanation of the original image.

    Args:
        image: The original image, uint8 of shape (height, width, channels).
        heat: Shape (height, width) of the network's input, 0 to 1.
        geometry: The mapping between the image and the network's input.
        caption: A description of the map.
    """
    levels = geometry.mask_to_source((heat * 255).astype(np.uint8))
    at_source = np.asarray(levels, np.float32) / np.float32(255)
    return Explanation(draw_heat(visible(image), at_source), caption, at_source)
