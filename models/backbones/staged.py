"""Backbones that are a chain of stages, and the initialisation of their weights."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visus.models.backbones.base import Backbone, constants_for_channels
from visus.vision.errors import VisusError

Init = Literal["he", "glorot"]


class StagedBackbone(Backbone):
    """A chain of stages; the output of each is a feature map.

    Args:
        name: The name in the registry.
        stages: The modules, finest first.
        channels: Channels after each stage.
        strides: Stride after each stage.
        head: Makes the layers from the last map to the logits, from (features, classes, dropout)
            where `features` is the length of the flattened last map.
        in_channels: Channels of the images.
        image_size: (height, width) of the images in pixels.
        init: `he` (He et al. 2015) suits ReLU, `glorot` (Glorot and Bengio 2010) tanh and sigmoid.
    """

    def __init__(
        self,
        name: str,
        stages: Sequence[nn.Module],
        channels: tuple[int, ...],
        strides: tuple[int, ...],
        head: Callable[[int, int, float], nn.Sequential],
        in_channels: int,
        image_size: tuple[int, int],
        init: Init,
    ) -> None:
        super().__init__()
        self.name = name
        self.in_channels = in_channels
        self.channels = channels
        self.strides = strides
        self.mean = constants_for_channels((0.5, 0.5, 0.5), in_channels)
        self.std = constants_for_channels((0.5, 0.5, 0.5), in_channels)
        self.stages = nn.ModuleList(stages)
        self._image_size = image_size
        self._make_head = head
        self._init = init
        initialise(self, init)

    def forward(self, images: Tensor) -> list[Tensor]:
        """See `Backbone.forward`."""
        maps = []
        for stage in self.stages:
            images = stage(images)
            maps.append(images)
        return maps

    def classifier(
        self, num_classes: int, pretrained: bool | str = False, dropout: float = 0.0
    ) -> nn.Sequential:
        """See `Backbone.classifier`; the body shares its layers with this backbone.

        A head that flattens the last map takes maps of other images, such as smaller training
        images, averaged to the size of its own.
        """
        body = nn.Sequential(*self.stages)
        with torch.no_grad():
            image = torch.zeros(1, self.in_channels, *self._image_size)
            try:
                last_map = body.eval()(image)
            except RuntimeError:
                height, width = self._image_size
                raise VisusError(
                    f"{self.name}: an image of {height} x {width} is too small for its layers; "
                    "choose a larger data.image_size"
                ) from None
        body.train()
        head = self._make_head(last_map.numel(), num_classes, dropout)
        initialise(head, self._init)
        if isinstance(head[0], nn.Flatten):
            height, width = last_map.shape[2:]
            head.register_forward_pre_hook(partial(_pool_to, (height, width)))
        return nn.Sequential(OrderedDict(body=body, head=head))


def _pool_to(size: tuple[int, int], head: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor] | None:
    """Average a map to the size that the head was made for, as torchvision's AlexNet does."""
    if inputs[0].shape[2:] == size:
        return None
    return (F.adaptive_avg_pool2d(inputs[0], size),)


def initialise(module: nn.Module, init: Init) -> None:
    """Draw random weights for all convolutions and linear layers; biases become zero.

    Args:
        module: The network to initialise in place.
        init: `he` preserves the variance through ReLU, `glorot` through symmetric activations.

    Raises:
        VisusError: If the initialisation is unknown.
    """
    if init not in get_args(Init):
        raise VisusError(f"init {init!r} is unknown; choose from {', '.join(get_args(Init))}")
    draw = nn.init.kaiming_normal_ if init == "he" else nn.init.xavier_uniform_
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            draw(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
