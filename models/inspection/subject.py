"""A network with the image that it is inspected on, and the choice of its layers."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from visus.models.backbones.summary import Layer, summarise
from visus.vision.errors import VisusError

_MINOR = ("Identity", "Dropout")
"""Beginnings of the names of layers that do not change values in evaluation."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A network in evaluation mode and one image.

    Attributes:
        network: Its layers are inspected.
        forward: Runs the network on images (batch, channels, height, width) with values of 0 to
            255, uint8 or float; differentiable for float.
        image: uint8 of shape (1, channels, height, width).
        class_names: One name for each class; empty if it predicts none.
        scores: From the results of `forward` to class scores of shape (batch, classes); None if
            it predicts no classes.
        backbone: The part of the network whose feature maps cover the image.
    """

    network: nn.Module
    forward: Callable[[Tensor], Any]
    image: Tensor
    class_names: tuple[str, ...]
    scores: Callable[[Any], Tensor] | None
    backbone: nn.Module

    @cached_property
    def layers(self) -> list[Layer]:
        """All layers in the order of the computation."""
        return summarise(self.network, tuple(self.image.shape[1:]), self.forward)

    @cached_property
    def spatial_layers(self) -> list[Layer]:
        """Layers of the backbone whose output is a feature map larger than 1 x 1."""
        inside = set(self.backbone.modules())
        modules = dict(self.network.named_modules())
        found: list[Layer] = []
        for layer in self.layers:
            if len(layer.output) != 3 or layer.kind.startswith(_MINOR):
                continue
            # Elsewhere the channels of four-dimensional tensors may be last.
            certain = layer.kernel is not None or "BatchNorm" in layer.kind
            same = bool(found) and layer.output == found[-1].output
            if modules[layer.name] in inside and min(layer.output[1:]) > 1 and (certain or same):
                found.append(layer)
        return found

    @property
    def convolutions(self) -> list[Layer]:
        """The convolutions among `spatial_layers`."""
        modules = dict(self.network.named_modules())
        return [each for each in self.spatial_layers if isinstance(modules[each.name], nn.Conv2d)]

    def module(self, layer: Layer) -> nn.Module:
        """The module of a layer."""
        return self.network.get_submodule(layer.name)

    def class_scores(self, images: Tensor) -> Tensor:
        """Scores of shape (batch, classes) of images with values of 0 to 255."""
        assert self.scores is not None
        return self.scores(self.forward(images))


def find_convolution(subject: Subject, name: str | None) -> Layer:
    """A convolution by name, the first one by default.

    Args:
        subject: The network.
        name: Name of the layer as `visus inspect` prints it.

    Raises:
        VisusError: If there is no such layer, or it is not a convolution.
    """
    known = subject.convolutions
    if not known:
        raise VisusError(
            "--output: no convolution of this network has an output above 1 x 1; show the layers "
            "without --output, or inspect another network"
        )
    if name is None:
        return known[0]
    for layer in known:
        if layer.name == name:
            return layer
    names = [layer.name for layer in known]
    similar = ", ".join(difflib.get_close_matches(name, names, 3, 0.3) or names[:3])
    for layer in subject.layers:
        if layer.name == name:
            raise VisusError(
                f"--layer {name}: is a {layer.kind}, not a convolution of the backbone with an "
                f"output above 1 x 1; name one, such as {similar}"
            )
    raise VisusError(f"--layer {name}: there is no such layer; similar: {similar}")
