"""The interface of every backbone: feature maps, their strides, normalisation, a classifier."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from visus.vision.errors import VisusError


class Backbone(nn.Module, ABC):
    """A network from images to feature maps.

    Attributes:
        name: The name in the registry.
        in_channels: Channels of the images: 3 for RGB, 1 for grey.
        channels: Channels of each feature map, finest first.
        strides: Nominal stride of each feature map in pixels of the image, strictly increasing.
        mean: Mean of each input channel on the scale 0 to 255, subtracted from the images.
        std: Standard deviation of each input channel on the scale 0 to 255, a divisor after that.
    """

    name: str
    in_channels: int
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @abstractmethod
    def forward(self, images: Tensor) -> list[Tensor]:
        """Feature maps of normalised images.

        Args:
            images: float of shape (batch, in_channels, height, width).

        Returns:
            One float tensor (batch, channels[i], about height / strides[i], about width /
            strides[i]) for each map, finest first, always with the channels second.
        """

    def choose(self, strides: Sequence[int]) -> list[int]:
        """Indices of the feature maps that have these strides.

        Args:
            strides: In pixels.

        Returns:
            One index into the result of `forward` for each stride.

        Raises:
            VisusError: If there is no map of one of the strides.
        """
        missing = [stride for stride in strides if stride not in self.strides]
        if missing:
            raise VisusError(
                f"backbone {self.name!r} has no feature map of stride "
                f"{' or '.join(map(str, missing))}, it has {', '.join(map(str, self.strides))}; "
                f"choose one that has {', '.join(map(str, strides))} (visus backbones lists them)"
            )
        return [self.strides.index(stride) for stride in strides]

    @abstractmethod
    def classifier(
        self, num_classes: int, pretrained: bool | str = False, dropout: float = 0.0
    ) -> nn.Sequential:
        """The network's own classification form: from normalised images to class logits.

        Args:
            num_classes: Number of logits.
            pretrained: As in `create_backbone`.
            dropout: Dropout probability of the features before the last layer.

        Returns:
            A `body` from images to features, and a `head` from there to (batch, num_classes).
        """


def constants_for_channels(values: tuple[float, ...], in_channels: int) -> tuple[float, ...]:
    """RGB constants of 0 to 1 on the scale 0 to 255, one for each channel of the images.

    With other than three channels, each gets the mean of the three.
    """
    if in_channels == len(values):
        return tuple(255 * value for value in values)
    return (255 * sum(values) / len(values),) * in_channels


Constants = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of each channel on the scale 0 to 255."""

IMAGENET_CONSTANTS: Constants = (
    constants_for_channels((0.485, 0.456, 0.406), 3),
    constants_for_channels((0.229, 0.224, 0.225), 3),
)
"""The constants of torchvision's networks."""
