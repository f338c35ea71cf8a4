"""A feature pyramid on any backbone: fine maps enriched with the context of coarse ones."""

from collections.abc import Sequence

from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork

from visus.models.backbones.base import Backbone


class FeaturePyramid(nn.Module):
    """Feature maps at chosen strides with equal channels, merged from coarse to fine.

    Lin et al. 2017, "Feature Pyramid Networks for Object Detection".

    Args:
        backbone: The network that computes the maps; becomes `body`.
        strides: Strides of the maps that are merged, in pixels, finest first.
        out_channels: Channels of every merged map.

    Attributes:
        body: The backbone.
        out_channels: As given.

    Raises:
        VisusError: If the backbone has no map of one of the strides.
    """

    def __init__(self, backbone: Backbone, strides: Sequence[int], out_channels: int) -> None:
        super().__init__()
        self.body = backbone
        self.strides = tuple(strides)
        self.out_channels = out_channels
        self._chosen = backbone.choose(strides)
        channels = [backbone.channels[i] for i in self._chosen]
        self.merge = FeaturePyramidNetwork(channels, out_channels)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Merged maps of normalised images.

        Args:
            images: float of shape (batch, in_channels, height, width).

        Returns:
            Maps by stride as a string, finest first, float tensors (batch, out_channels, about
            height / stride, about width / stride).
        """
        maps = self.body(images)
        chosen = zip(self.strides, self._chosen, strict=True)
        merged: dict[str, Tensor] = self.merge({str(stride): maps[i] for stride, i in chosen})
        return merged
