"""Three ways from feature maps to a class for every pixel: FCN, U-Net, DeepLabV3+.

Each takes the images and then the chosen feature maps, finest first, and gives logits.
"""

from collections.abc import Sequence

from segmentation_models_pytorch.base.initialization import initialize_decoder, initialize_head
from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3PlusDecoder
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from torch import Tensor, nn
from torch.nn import functional as F


class FCNHead(nn.Module):
    """Each map votes for classes, and coarse votes are added to finer ones.

    Long, Shelhamer and Darrell 2015, "Fully Convolutional Networks for Semantic Segmentation"
    (FCN-8s, with bilinear interpolation for the upsampling that it starts from).

    Args:
        channels: Of each map, finest first.
        num_classes: How many classes.
    """

    def __init__(self, channels: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.votes = nn.ModuleList(nn.Conv2d(count, num_classes, 1) for count in channels)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Logits of shape (batch, classes, rows, columns) at the finest map's stride."""
        votes = [vote(features) for vote, features in zip(self.votes, maps[1:], strict=True)]
        total: Tensor = votes.pop()
        for finer in reversed(votes):
            total = finer + F.interpolate(total, size=finer.shape[-2:], mode="bilinear")
        return total


class UNetHead(nn.Module):
    """Climbs from the coarsest map back to the image's size, joining each finer map on its way.

    Ronneberger, Fischer and Brox 2015, "U-Net: Convolutional Networks for Biomedical Image
    Segmentation"; the decoder is segmentation_models.pytorch's, each map batch-normalised before it
    joins.

    Args:
        channels: Of each map, finest first.
        num_classes: How many classes.
        width: Channels of the first, coarsest step; each finer one has half of the one before.
    """

    def __init__(self, channels: Sequence[int], num_classes: int, width: int) -> None:
        super().__init__()
        steps = [max(16, width >> i) for i in range(len(channels))]
        # A pretrained body's maps are several times as strong as what climbs, and would drown it.
        self.skip_norms = nn.ModuleList(nn.BatchNorm2d(count) for count in channels[:-1])
        # The decoder leaves out the first entry, the image itself.
        self.climb = UnetDecoder([0, *channels], steps, n_blocks=len(steps))
        self.vote = nn.Conv2d(steps[-1], num_classes, 3, padding=1)
        # Its own models begin so; with PyTorch's weights it learns several times as slowly.
        initialize_decoder(self.climb)
        initialize_head(self.vote)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Logits of shape (batch, classes, height, width)."""
        images, *finer, coarsest = maps
        joined = [norm(each) for norm, each in zip(self.skip_norms, finer, strict=True)]
        logits: Tensor = self.vote(self.climb([images, *joined, coarsest]))
        return logits


class DeepLabHead(nn.Module):
    """Looks at the coarse map with several dilations at once, then sharpens with the fine one.

    Chen et al. 2018, "Encoder-Decoder with Atrous Separable Convolution for Semantic Image
    Segmentation" (DeepLabV3+); the decoder is segmentation_models.pytorch's.

    Args:
        channels: Of the maps of stride 4 and 16.
        num_classes: How many classes.
        width: Channels of all steps between.
    """

    def __init__(self, channels: Sequence[int], num_classes: int, width: int) -> None:
        super().__init__()
        fine, coarse = channels
        # The decoder takes a whole encoder's list; it looks at the third and the last entry.
        self.decode = DeepLabV3PlusDecoder(
            [0, 0, fine, coarse],
            encoder_depth=5,
            out_channels=width,
            atrous_rates=(6, 12, 18),
            output_stride=16,
            aspp_separable=True,
            aspp_dropout=0.1,
        )
        self.vote = nn.Conv2d(width, num_classes, 1)
        initialize_decoder(self.decode)
        initialize_head(self.vote)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Logits of shape (batch, classes, height / 4, width / 4)."""
        images, fine, coarse = maps
        logits: Tensor = self.vote(self.decode([images, images, fine, coarse]))
        return logits
