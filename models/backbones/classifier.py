"""A backbone in its classification form, for any number of classes."""

from contextlib import nullcontext
from typing import Any

import torch
from torch import nn

from visus.models.backbones import Backbone, create_backbone, is_own_backbone


def create_classifier(
    backbone: str,
    num_classes: int,
    in_channels: int = 3,
    pretrained: bool | str = False,
    image_size: tuple[int, int] | None = None,
    dropout: float = 0.0,
    **options: Any,
) -> tuple[nn.Sequential, Backbone]:
    """Build a network from normalised images to class logits.

    Args:
        backbone: A name from the registry.
        num_classes: Number of logits.
        in_channels: Channels of the images.
        pretrained: As in `visus.models.backbones.create_backbone`.
        image_size: (height, width) of the images in pixels.
        dropout: Dropout probability of the features before the last layer.
        options: Options of this backbone.

    Returns:
        The network, with a `body` and a `head`, and the backbone with its normalisation constants.

    Raises:
        VisusError: As `visus.models.backbones.create_backbone`.
    """
    own = is_own_backbone(backbone)
    # timm's classifiers are built anew from the name, so the features need no memory.
    with nullcontext() if own else torch.device("meta"):
        weights = pretrained if own else False
        described = create_backbone(backbone, in_channels, weights, image_size, **options)
    return described.classifier(num_classes, pretrained, dropout), described
