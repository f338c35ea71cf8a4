"""GoogLeNet: torchvision's layers as a chain of five stages."""

from torch import nn
from torchvision.models import GoogLeNet
from torchvision.models.googlenet import BasicConv2d

from visus.models.backbones.base import Backbone
from visus.models.backbones.registry import register_backbone
from visus.models.backbones.staged import Init, StagedBackbone


@register_backbone
def googlenet(
    in_channels: int = 3,
    image_size: tuple[int, int] | None = None,
    init: Init = "he",
) -> Backbone:
    """GoogLeNet (Szegedy et al. 2015, "Going deeper with convolutions").

    Nine Inception modules: convolutions of 1x1, 3x3 and 5x5 side by side, each behind a 1x1 that
    reduces the channels. As torchvision's, with batch normalisation, which makes the paper's two
    auxiliary classifiers unnecessary, and with 3x3 in place of 5x5.
    """
    net = GoogLeNet(num_classes=1, aux_logits=False, init_weights=False)
    first = BasicConv2d(in_channels, 64, kernel_size=7, stride=2, padding=3)
    fourth = (
        net.inception4a,
        net.inception4b,
        net.inception4c,
        net.inception4d,
        net.inception4e,
    )
    stages = [
        first,
        nn.Sequential(net.maxpool1, net.conv2, net.conv3),
        nn.Sequential(net.maxpool2, net.inception3a, net.inception3b),
        nn.Sequential(net.maxpool3, *fourth),
        nn.Sequential(net.maxpool4, net.inception5a, net.inception5b),
    ]

    def head(features: int, classes: int, dropout: float) -> nn.Sequential:
        return nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(1024, classes)
        )

    size = image_size or (224, 224)
    channels, strides = (64, 192, 480, 832, 1024), (2, 4, 8, 16, 32)
    return StagedBackbone("googlenet", stages, channels, strides, head, in_channels, size, init)
