"""A segmenter: a body that sees, and a head that names every pixel."""

from collections.abc import Sequence

from torch import Tensor, nn

from visus.models.backbones.base import Backbone


class Segmenter(nn.Module):
    """A head on feature maps of a backbone, chosen by stride.

    Args:
        backbone: Where the maps come from; kept as `body`.
        strides: Which of its maps, by their stride in pixels, finest first.
        head: From these maps, and the images themselves as the first, to logits.
        upsampling: From the normalised images and these logits to logits of every pixel; None
            leaves them as coarse as they are.

    Raises:
        VisusError: If the backbone has no map of one of the strides.
    """

    def __init__(
        self,
        backbone: Backbone,
        strides: Sequence[int],
        head: nn.Module,
        upsampling: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.body = backbone
        self.head = head
        self.upsampling = upsampling
        self._chosen = backbone.choose(strides)

    def forward(self, images: Tensor) -> Tensor:
        """How sure each place is of each class.

        Args:
            images: Normalised, float of shape (batch, in_channels, height, width).

        Returns:
            Logits of shape (batch, classes, rows, columns): they cover the image, at the head's
            own stride without upsampling.
        """
        maps = self.body(images)
        logits: Tensor = self.head([images, *(maps[i] for i in self._chosen)])
        if self.upsampling is not None:
            logits = self.upsampling(images, logits)
        return logits
