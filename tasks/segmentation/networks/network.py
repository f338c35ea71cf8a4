"""The segmenter: a backbone and a prediction head that classifies every pixel."""

from collections.abc import Sequence

from torch import Tensor, nn

from visus.models.backbones.base import Backbone


class Segmenter(nn.Module):
    """A prediction head on feature maps of a backbone.

    Args:
        backbone: Computes the feature maps; stored as `body`.
        strides: Strides in pixels of the feature maps that the head takes, finest first.
        head: From a list of the images and these feature maps to logits.
        upsampling: From the normalised images and the logits to logits of the images' size; None
            for the head's own resolution.
        refinement: From the normalised images and the logits to refined logits; None for none.

    Raises:
        VisusError: If the backbone has no feature map of one of the strides.
    """

    def __init__(
        self,
        backbone: Backbone,
        strides: Sequence[int],
        head: nn.Module,
        upsampling: nn.Module | None = None,
        refinement: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.body = backbone
        self.head = head
        self.refinement = refinement
        self.upsampling = upsampling
        self._chosen = backbone.choose(strides)

    def forward(self, images: Tensor) -> Tensor:
        """Class logits.

        Args:
            images: Normalised, float of shape (batch, in_channels, height, width).

        Returns:
            Logits of shape (batch, classes, rows, columns), which cover the images; at the head's
            stride unless there is a refinement or an upsampling.
        """
        maps = self.body(images)
        logits: Tensor = self.head([images, *(maps[i] for i in self._chosen)])
        if self.refinement is not None:
            logits = self.refinement(images, logits)
        if self.upsampling is not None:
            logits = self.upsampling(images, logits)
        return logits
