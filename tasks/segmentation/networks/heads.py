"""Prediction heads from feature maps to class logits: FCN, U-Net, DeepLabV3+.

Each takes a list of the images and the chosen feature maps, finest first.
"""

from collections.abc import Sequence

from segmentation_models_pytorch.base.initialization import initialize_decoder, initialize_head
from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3PlusDecoder
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from torch import Tensor, nn
from torch.nn import functional as F


class FCNHead(nn.Module):
    """Class logits of each feature map, those of coarse maps upsampled and added to finer ones.

    Long, Shelhamer and Darrell 2015, "Fully Convolutional Networks for Semantic Segmentation"
    (FCN-8s, with the bilinear interpolation from which its upsampling is initialised).

    Args:
        channels: Channels of each feature map, finest first.
        num_classes: Number of classes.
    """

    def __init__(self, channels: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.to_logits = nn.ModuleList(nn.Conv2d(count, num_classes, 1) for count in channels)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Logits of shape (batch, classes, rows, columns) at the stride of the finest map."""
        logits = [layer(features) for layer, features in zip(self.to_logits, maps[1:], strict=True)]
        total: Tensor = logits.pop()
        for finer in reversed(logits):
            total = finer + F.interpolate(total, size=finer.shape[-2:], mode="bilinear")
        return total


class UNetHead(nn.Module):
    """Upsamples the coarsest feature map step by step, joining the finer one at each step.

    Ronneberger, Fischer and Brox 2015, "U-Net: Convolutional Networks for Biomedical Image
    Segmentation"; the decoder is segmentation_models.pytorch's, with batch normalisation of the
    skip connections.

    Args:
        channels: Channels of each feature map, finest first.
        num_classes: Number of classes.
        width: Channels of the first, coarsest step; halved at each finer one, 16 at least.
    """

    def __init__(self, channels: Sequence[int], num_classes: int, width: int) -> None:
        super().__init__()
        steps = [max(16, width >> i) for i in range(len(channels))]
        # The feature maps of a pretrained backbone are several times as large in value as the
        # decoder's, and would dominate them.
        self.skip_norms = nn.ModuleList(nn.BatchNorm2d(count) for count in channels[:-1])
        # The decoder leaves out the first entry, the image itself.
        self.decoder = UnetDecoder([0, *channels], steps, n_blocks=len(steps))
        self.to_logits = nn.Conv2d(steps[-1], num_classes, 3, padding=1)
        # As in its own models; with PyTorch's initial weights it trains several times as slowly.
        initialize_decoder(self.decoder)
        initialize_head(self.to_logits)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Logits of shape (batch, classes, height, width)."""
        images, *finer, coarsest = maps
        skips = [norm(each) for norm, each in zip(self.skip_norms, finer, strict=True)]
        logits: Tensor = self.to_logits(self.decoder([images, *skips, coarsest]))
        return logits


class DeepLabHead(nn.Module):
    """Dilated convolutions of several rates on a coarse feature map, refined with a fine one.

    Chen et al. 2018, "Encoder-Decoder with Atrous Separable Convolution for Semantic Image
    Segmentation" (DeepLabV3+); the decoder is segmentation_models.pytorch's.

    Args:
        channels: Channels of the feature maps of stride 4 and 16.
        num_classes: Number of classes.
        width: Channels of all intermediate maps.
    """

    def __init__(self, channels: Sequence[int], num_classes: int, width: int) -> None:
        super().__init__()
        fine, coarse = channels
        # The decoder takes the list of a whole encoder, and uses its third and last entries.
        self.decoder = DeepLabV3PlusDecoder(
            [0, 0, fine, coarse],
            encoder_depth=5,
            out_channels=width,
            atrous_rates=(6, 12, 18),
            output_stride=16,
            aspp_separable=True,
            aspp_dropout=0.1,
        )
        self.to_logits = nn.Conv2d(width, num_classes, 1)
        initialize_decoder(self.decoder)
        initialize_head(self.to_logits)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Logits of shape (batch, classes, height / 4, width / 4)."""
        images, fine, coarse = maps
        logits: Tensor = self.to_logits(self.decoder([images, images, fine, coarse]))
        return logits
