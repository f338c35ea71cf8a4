"""torchvision's segmenters, with weights trained on COCO for the classes of Pascal VOC."""

from torch import Tensor, nn
from torchvision.models import segmentation as torchvision_segmentation

from visus.models.weights import load_ready_made
from visus.tasks.segmentation.weights import WEIGHTS
from visus.vision.class_names import VOC_CLASS_NAMES
from visus.vision.errors import VisusError

READY_MADE = {entry.network: entry for entry in WEIGHTS}
"""The published weights of each network, by torchvision's name of it."""


class ReadyMadeSegmenter(nn.Module):
    """A segmenter of torchvision's in the form of `Segmenter`: logits at the head's stride.

    Args:
        body: From images to a dictionary of feature maps, of which the head takes `out`.
        head: From that feature map to logits.
        refinement: See `Segmenter`.
    """

    def __init__(
        self, body: nn.Module, head: nn.Module, refinement: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.body = body
        self.head = head
        self.refinement = refinement

    def forward(self, images: Tensor) -> Tensor:
        """See `visus.tasks.segmentation.networks.network.Segmenter.forward`."""
        logits: Tensor = self.head(self.body(images)["out"])
        if self.refinement is not None:
            logits = self.refinement(images, logits)
        return logits


def create_ready_made(
    name: str,
    num_classes: int,
    in_channels: int,
    pretrained: bool | str,
    refinement: nn.Module | None = None,
) -> ReadyMadeSegmenter:
    """Build one of torchvision's segmenters.

    Args:
        name: A key of `READY_MADE`.
        num_classes: Number of classes; with another number than that of the pretrained weights
            the last layer has random initial weights.
        in_channels: Must be 3.
        pretrained: `True` for the published weights, or the path of such a file.
        refinement: See `Segmenter`.

    Raises:
        VisusError: If the weights are not available, or images are not RGB.
    """
    if in_channels != 3:
        raise VisusError(f"{name} takes RGB images only, not {in_channels} channels")
    known = len(VOC_CLASS_NAMES)
    build = getattr(torchvision_segmentation, name)
    network = build(
        weights=None,
        weights_backbone=None,
        num_classes=known if pretrained else num_classes,
        aux_loss=True,
    )
    if pretrained:
        load_ready_made(network, READY_MADE[name], pretrained)
        if num_classes != known:
            last = network.classifier[-1]
            network.classifier[-1] = nn.Conv2d(last.in_channels, num_classes, 1)
    # The auxiliary head only served its training.
    network.backbone.return_layers = {
        layer: key for layer, key in network.backbone.return_layers.items() if key == "out"
    }
    return ReadyMadeSegmenter(network.backbone, network.classifier, refinement)
