"""What every backbone offers, whoever wrote the network behind it."""

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
        strides: Nominal pixels of the image for one step in each feature map, strictly rising.
        mean: What to subtract from images of 0 to 255, one constant for each input channel.
        std: What to divide by after that, one constant for each input channel.
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
        """Which of the feature maps have these strides.

        Args:
            strides: In pixels.

        Returns:
            Their places in what `forward` gives.

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
        """The network's own classic form: from normalised images to class logits.

        Args:
            num_classes: How many logits.
            pretrained: As in `create_backbone`.
            dropout: Share of the features that is dropped before the last layer in training.

        Returns:
            A `body` from images to a vector, and a `head` from there to (batch, num_classes).
        """


def constants_for_channels(values: tuple[float, ...], in_channels: int) -> tuple[float, ...]:
    """RGB constants of 0 to 1 as one of 0 to 255 a channel; other counts than 3 share the mean."""
    if in_channels == len(values):
        return tuple(255 * value for value in values)
    return (255 * sum(values) / len(values),) * in_channels


Constants = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation, one a channel, for images of 0 to 255."""

IMAGENET_CONSTANTS: Constants = (
    constants_for_channels((0.485, 0.456, 0.406), 3),
    constants_for_channels((0.229, 0.224, 0.225), 3),
)
"""Those of torchvision's own networks."""
