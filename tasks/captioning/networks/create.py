"""Build a captioning network: a backbone and a decoder."""

from typing import Any

from torch import Tensor, nn

from visus.models.backbones import create_backbone
from visus.models.backbones.base import Constants
from visus.tasks.captioning.networks.decoder import CaptionDecoder, CellName, TemporalName


class Captioner(nn.Module):
    """A backbone, one of its feature maps, and the decoder that generates captions from it.

    Args:
        body: The backbone.
        level: Index of the feature map among those of the backbone.
        decoder: The decoder.
    """

    decoder: CaptionDecoder

    def __init__(self, body: nn.Module, level: int, decoder: CaptionDecoder) -> None:
        super().__init__()
        self.body = body
        self.level = level
        self.decoder = decoder

    def forward(self, images: Tensor) -> Tensor:
        """The feature map of normalised images, (batch, channels, rows, columns)."""
        features: Tensor = self.body(images)[self.level]
        return features


def create_captioner(
    words: int,
    backbone: str,
    in_channels: int,
    pretrained: bool | str,
    image_size: tuple[int, int],
    stride: int,
    hidden_size: int,
    cell: CellName,
    attention: bool,
    dropout: float,
    temporal: TemporalName | None = None,
    **options: Any,
) -> tuple[Captioner, Constants]:
    """Build a captioning network.

    Args:
        words: Size of the vocabulary.
        backbone: A name from the registry.
        in_channels: Channels of the images.
        pretrained: As in `visus.models.backbones.create_backbone`.
        image_size: (height, width) of the images in pixels.
        stride: Stride of the feature map in pixels; 0 for the coarsest.
        hidden_size: As in `CaptionDecoder`.
        cell: As in `CaptionDecoder`.
        attention: As in `CaptionDecoder`.
        dropout: As in `CaptionDecoder`.
        temporal: As in `CaptionDecoder`.
        options: The backbone's own.

    Returns:
        The network, and the mean and standard deviation with which its images are normalised.

    Raises:
        VisusError: As `visus.models.backbones.create_backbone` and `CaptionDecoder`.
    """
    body = create_backbone(
        backbone, in_channels, pretrained, image_size, coarsest_stride=stride or None, **options
    )
    level = body.choose([stride])[0] if stride else len(body.channels) - 1
    decoder = CaptionDecoder(
        words, body.channels[level], hidden_size, cell, attention, dropout, temporal
    )
    return Captioner(body, level, decoder), (body.mean, body.std)
