"""Small networks, written to be read: LeNet-5, ConvNet, AlexNet and ResNet-9."""

from collections.abc import Callable
from typing import Literal, get_args

from timm.layers.create_attn import create_attn
from torch import Tensor, nn

from visus.models.backbones.base import Backbone
from visus.models.backbones.registry import register_backbone
from visus.models.backbones.staged import Init, StagedBackbone
from visus.vision.errors import VisusError

Activation = Literal["relu", "tanh", "sigmoid", "gelu", "silu", "leaky_relu"]

Attention = Literal["none", "se", "eca", "cbam"]
"""Layers that weight the channels of a feature map, and with `cbam` its positions, by its content.

Squeeze-and-excitation (Hu et al. 2018), efficient channel attention (Wang et al. 2020), and the
convolutional block attention module (Woo et al. 2018).
"""

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
}


def _activation(name: str) -> Callable[[], nn.Module]:
    if name not in _ACTIVATIONS:
        raise VisusError(f"activation {name!r} is unknown; choose from {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[name]


def _attention(name: str, channels: int) -> nn.Module:
    """Timm's layer, which keeps the shape of the feature map."""
    if name not in get_args(Attention):
        known = ", ".join(get_args(Attention))
        raise VisusError(f"attention {name!r} is unknown; choose from {known}")
    if name == "none":
        return nn.Identity()
    # Small networks have few channels: 1/16 of them, the papers' reduction, would be one or two.
    options = {} if name == "eca" else {"rd_ratio": 1 / 4, "rd_divisor": 4}
    layer: nn.Module = create_attn(name, channels, **options)  # type: ignore[no-untyped-call]
    return layer


@register_backbone
def lenet5(
    in_channels: int = 1,
    image_size: tuple[int, int] | None = None,
    activation: Activation = "tanh",
    init: Init = "glorot",
) -> Backbone:
    """LeNet-5 (LeCun et al. 1998, "Gradient-based learning applied to document recognition").

    Two blocks of 5x5 convolution and 2x2 average pooling, then layers of 120 and 84 units. As in
    the paper the input is 32x32, which gives 400 flattened features; the paper's partial
    connections and RBF output are replaced by full ones, as is common today.
    """
    act = _activation(activation)
    stages = [
        nn.Sequential(nn.Conv2d(in_channels, 6, 5), act(), nn.AvgPool2d(2)),
        nn.Sequential(nn.Conv2d(6, 16, 5), act(), nn.AvgPool2d(2)),
    ]

    def head(features: int, classes: int, dropout: float) -> nn.Sequential:
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(features, 120),
            act(),
            nn.Linear(120, 84),
            act(),
            nn.Dropout(dropout),
            nn.Linear(84, classes),
        )

    size = image_size or (32, 32)
    return StagedBackbone("lenet5", stages, (6, 16), (2, 4), head, in_channels, size, init)


@register_backbone
def convnet(
    in_channels: int = 1,
    image_size: tuple[int, int] | None = None,
    activation: Activation = "relu",
    init: Init = "he",
    attention: Attention = "none",
) -> Backbone:
    """Two blocks of convolution, batch normalisation, activation and pooling, then one layer.

    On 28x28 images the last layer takes 7 x 7 x 32 = 1,568 flattened features. With `attention`,
    each block weights its channels before it pools.
    """
    act = _activation(activation)

    def block(before: int, after: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(before, after, 5, stride=1, padding=2),
            nn.BatchNorm2d(after),
            act(),
            _attention(attention, after),
            nn.MaxPool2d(2),
        )

    def head(features: int, classes: int, dropout: float) -> nn.Sequential:
        return nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(features, classes))

    stages = [block(in_channels, 16), block(16, 32)]
    size = image_size or (28, 28)
    return StagedBackbone("convnet", stages, (16, 32), (2, 4), head, in_channels, size, init)


@register_backbone
def alexnet(
    in_channels: int = 3,
    image_size: tuple[int, int] | None = None,
    activation: Activation = "relu",
    init: Init = "he",
) -> Backbone:
    """AlexNet (Krizhevsky et al. 2012, "ImageNet classification with deep CNNs").

    Five convolutions, three of them in two groups as on the paper's two GPUs, with local response
    normalisation, then two layers of 4,096 units with dropout before each (0.5 in the paper).
    """
    act = _activation(activation)

    def normalise() -> nn.Module:
        return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, stride=2)

    stages = [
        nn.Sequential(
            nn.Conv2d(in_channels, 96, 11, stride=4, padding=2), act(), normalise(), pool()
        ),
        nn.Sequential(nn.Conv2d(96, 256, 5, padding=2, groups=2), act(), normalise(), pool()),
        nn.Sequential(
            nn.Conv2d(256, 384, 3, padding=1),
            act(),
            nn.Conv2d(384, 384, 3, padding=1, groups=2),
            act(),
            nn.Conv2d(384, 256, 3, padding=1, groups=2),
            act(),
            pool(),
        ),
    ]

    def head(features: int, classes: int, dropout: float) -> nn.Sequential:
        return nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(features, 4096),
            act(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            act(),
            nn.Linear(4096, classes),
        )

    size = image_size or (224, 224)
    channels, strides = (96, 256, 256), (8, 16, 32)
    return StagedBackbone("alexnet", stages, channels, strides, head, in_channels, size, init)


@register_backbone
def resnet9(
    in_channels: int = 1,
    image_size: tuple[int, int] | None = None,
    activation: Activation = "relu",
    init: Init = "he",
    width: int = 32,
    attention: Attention = "none",
    blocks: int = 1,
    kernel_size: int = 3,
) -> Backbone:
    """ResNet-9 for small images: four convolutions, two residual blocks of two, one layer.

    After the network of Page (2018, "How to train your ResNet"), with identity shortcuts as in He
    et al. (2016); `width` is the number of channels of its first layer (64 in the original).
    `attention` weights the channels of each block before its output is added or passed on. With
    `blocks` there are more residual blocks in a row, and `kernel_size` is that of all convolutions:
    a family of networks to search in.
    """
    act = _activation(activation)
    if not 1 <= blocks <= 16:
        raise VisusError(f"blocks {blocks} must be from 1 to 16")
    if kernel_size not in (1, 3, 5, 7):
        raise VisusError(f"kernel_size {kernel_size} must be 1, 3, 5 or 7")

    def convolution(before: int, after: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(before, after, kernel_size, padding=kernel_size // 2, bias=False),
            nn.BatchNorm2d(after),
            act(),
        )

    def residual(channels: int) -> nn.Module:
        layers = convolution(channels, channels), convolution(channels, channels)
        return Residual(*layers, _attention(attention, channels))

    def residuals(channels: int) -> list[nn.Module]:
        return [residual(channels) for _ in range(blocks)]

    w = width
    stages = [
        convolution(in_channels, w),
        nn.Sequential(
            convolution(w, 2 * w),
            nn.MaxPool2d(2),
            *residuals(2 * w),
        ),
        nn.Sequential(convolution(2 * w, 4 * w), _attention(attention, 4 * w), nn.MaxPool2d(2)),
        nn.Sequential(
            convolution(4 * w, 8 * w),
            nn.MaxPool2d(2),
            *residuals(8 * w),
        ),
    ]

    def head(features: int, classes: int, dropout: float) -> nn.Sequential:
        return nn.Sequential(
            nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(8 * w, classes)
        )

    size = image_size or (32, 32)
    channels = (w, 2 * w, 4 * w, 8 * w)
    return StagedBackbone("resnet9", stages, channels, (1, 2, 4, 8), head, in_channels, size, init)


class Residual(nn.Module):
    """The input plus the output of its layers (He et al. 2016)."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """A tensor of the same shape as `features`."""
        residual: Tensor = self.layers(features)
        return features + residual
