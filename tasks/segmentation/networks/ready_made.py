"""torchvision's own segmenters, with the weights it trained on COCO for Pascal VOC's classes."""

from torch import Tensor, nn
from torchvision.models import get_model_weights
from torchvision.models import segmentation as torchvision_segmentation

from visus.models.weights import load_ready_made
from visus.tasks.segmentation.weights import WEIGHTS
from visus.vision.errors import VisusError

READY_MADE = {entry.network: entry for entry in WEIGHTS}
"""The weights of torchvision's networks by its names of them."""


class ReadyMadeSegmenter(nn.Module):
    """A segmenter of torchvision's as ours are: a `body`, and logits at the head's own stride.

    Args:
        body: From images to a dictionary of maps, of which the head takes `out`.
        head: From that map to logits.
    """

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """See `visus.tasks.segmentation.networks.network.Segmenter.forward`."""
        logits: Tensor = self.head(self.body(images)["out"])
        return logits


def create_ready_made(
    name: str, num_classes: int, in_channels: int, pretrained: bool | str
) -> ReadyMadeSegmenter:
    """One of torchvision's segmenters.

    Args:
        name: A key of `READY_MADE`.
        num_classes: How many classes; the last layer of another number is made anew.
        in_channels: Must be 3.
        pretrained: `True` for the manifest's weights, or the path of such a file.

    Raises:
        VisusError: If the weights cannot be had, or images are not RGB.
    """
    if in_channels != 3:
        raise VisusError(f"{name} takes RGB images only, not {in_channels} channels")
    known = len(voc_class_names())
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
    # The second head only helped its training.
    network.backbone.return_layers = {
        layer: key for layer, key in network.backbone.return_layers.items() if key == "out"
    }
    return ReadyMadeSegmenter(network.backbone, network.classifier)


def voc_class_names() -> list[str]:
    """The names in the order that these weights use, the background first."""
    weights = get_model_weights("fcn_resnet50").COCO_WITH_VOC_LABELS_V1
    names: list[str] = weights.meta["categories"]
    return ["background", *names[1:]]
