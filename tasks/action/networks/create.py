"""Build a network for clips from the name of its architecture."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, get_args

from torch import nn

from visus.models.backbones import Backbone
from visus.models.backbones.classifier import create_classifier
from visus.tasks.action.networks.heads import Cell, MeanHead, RecurrentHead
from visus.tasks.action.networks.insert import insert_before_convolutions
from visus.tasks.action.networks.network import ClipNetwork, Inputs
from visus.tasks.action.networks.temporal import Memory, TemporalConvolution, TemporalShift
from visus.vision.errors import VisusError

Architecture = Literal["tsn", "tsm", "recurrent", "r2plus1d"]

ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)


def create_network(
    architecture: Architecture,
    backbone: str,
    classes: int,
    image_size: tuple[int, int],
    frames: int,
    in_channels: int = 3,
    pretrained: bool | str = False,
    inputs: Inputs = "frames",
    cell: Cell = "gru",
    hidden_size: int = 256,
    dropout: float = 0.0,
    backbone_options: Mapping[str, Any] | None = None,
) -> tuple[ClipNetwork, Backbone]:
    """Build a network.

    Args:
        architecture: See `visus.tasks.action.task.ActionTask`.
        backbone: A name from the registry.
        classes: Number of logits.
        image_size: (height, width) of the frames in pixels.
        frames: Number of frames of a window.
        in_channels: Channels of the frames.
        pretrained: As in `visus.models.backbones.create_backbone`.
        inputs: See `ClipNetwork`.
        cell: See `RecurrentHead`.
        hidden_size: See `RecurrentHead`.
        dropout: Dropout probability of the features before the last layer.
        backbone_options: Options of this backbone.

    Returns:
        The network, and the backbone with its normalisation constants.

    Raises:
        VisusError: If the backbone does not suit the architecture; as
            `visus.models.backbones.create_backbone`.
    """
    if architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise VisusError(f"model.architecture {architecture!r} is unknown; choose from {known}")
    options = backbone_options or {}
    classifier, described = create_classifier(
        backbone, classes, in_channels, pretrained, image_size, **options
    )
    body = classifier.get_submodule("body")
    # All layers up to the last one, which the network's own head replaces.
    *neck, last = classifier.get_submodule("head").children()
    assert isinstance(last, nn.Linear)
    memory = Memory()
    if architecture == "tsm":
        insert_before_convolutions(body, backbone, partial(TemporalShift, memory=memory))
    if architecture == "r2plus1d":
        insert_before_convolutions(
            body, backbone, lambda layer: TemporalConvolution(layer, memory, layer.in_channels)
        )
    size = last.in_features * (2 if inputs == "both" else 1)
    head: nn.Module
    if architecture == "recurrent":
        head = RecurrentHead(size, classes, dropout, cell, hidden_size)
    else:
        head = MeanHead(size, classes, dropout)
    image_shape = (in_channels, *image_size)
    network = ClipNetwork(body, nn.Sequential(*neck), head, memory, frames, inputs, image_shape)
    return network, described
