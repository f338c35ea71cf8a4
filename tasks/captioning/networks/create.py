"""Build a captioner: a backbone that looks and a decoder that tells."""

from torch import Tensor, nn

from visus.models.backbones import create_backbone
from visus.models.backbones.base import Constants
from visus.tasks.captioning.networks.decoder import CaptionDecoder, CellName


class Captioner(nn.Module):
    """A backbone of whose feature map a decoder tells.

    Args:
        body: The backbone.
        number: Of the map among the backbone's.
        decoder: What writes.
    """

    decoder: CaptionDecoder

    def __init__(self, body: nn.Module, number: int, decoder: CaptionDecoder) -> None:
        super().__init__()
        self.body = body
        self.number = number
        self.decoder = decoder

    def forward(self, images: Tensor) -> Tensor:
        """The feature map of normalised images, (batch, channels, rows, columns)."""
        features: Tensor = self.body(images)[self.number]
        return features


def create_captioner(
    words: int,
    backbone: str,
    in_channels: int,
    pretrained: bool | str,
    image_size: tuple[int, int],
    stride: int,
    hidden: int,
    cell: CellName,
    attention: bool,
    dropout: float,
) -> tuple[Captioner, Constants]:
    """Build a captioner, and tell the constants that its images are normalised with.

    Args:
        words: How many words it knows.
        backbone: A name from the registry.
        in_channels: Channels of the images.
        pretrained: As in `visus.models.backbones.create_backbone`.
        image_size: (height, width) of the images in pixels.
        stride: Of the feature map that is looked at, in pixels; 0 for the coarsest.
        hidden: See `CaptionDecoder`.
        cell: "
        attention: "
        dropout: "

    Returns:
        A network with a `body` and a `decoder`.

    Raises:
        VisusError: As `visus.models.backbones.create_backbone` and `CaptionDecoder`.
    """
    body = create_backbone(
        backbone, in_channels, pretrained, image_size, coarsest_stride=stride or None
    )
    number = body.choose([stride])[0] if stride else len(body.channels) - 1
    decoder = CaptionDecoder(words, body.channels[number], hidden, cell, attention, dropout)
    return Captioner(body, number, decoder), (body.mean, body.std)
