"""Build a segmenter by the name of its architecture."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from torch import nn

from visus.models.backbones import create_backbone
from visus.models.backbones.base import IMAGENET_CONSTANTS, Constants
from visus.tasks.segmentation.networks.heads import DeepLabHead, FCNHead, UNetHead
from visus.tasks.segmentation.networks.markov_field import MarkovRandomField
from visus.tasks.segmentation.networks.network import Segmenter
from visus.tasks.segmentation.networks.ready_made import READY_MADE, create_ready_made
from visus.tasks.segmentation.networks.upsampling import JointBilateralUpsampling
from visus.vision.errors import VisusError

Architecture = Literal[
    "fcn", "unet", "deeplabv3plus", "fcn_resnet50", "deeplabv3_mobilenet_v3_large"
]
"""The first three take any backbone; the others are torchvision's, with a backbone of their own."""

ARCHITECTURES = get_args(Architecture)

Upsampling = Literal["bilinear", "joint_bilateral"]
"""How coarse logits are upsampled: by interpolation, or along the image's edges."""

Refinement = Literal["none", "mrf"]
"""What follows the logits: `mrf` is a Markov random field (`MarkovRandomField`)."""


def create_segmenter(
    architecture: Architecture,
    num_classes: int,
    backbone: str = "tf_efficientnet_lite0",
    in_channels: int = 3,
    pretrained: bool | str = False,
    image_size: tuple[int, int] | None = None,
    channels: int = 128,
    finest_stride: int = 8,
    upsampling: Upsampling = "bilinear",
    backbone_options: Mapping[str, Any] | None = None,
    refine: Refinement = "none",
) -> tuple[nn.Module, Constants]:
    """Build a segmenter.

    Args:
        architecture: See `Architecture`.
        num_classes: Number of classes.
        backbone: A name from the registry: for `fcn` with feature maps of the strides from
            `finest_stride` to 32, for `deeplabv3plus` with stride 4 and one of timm's that can be
            dilated; any for `unet`. torchvision's segmenters have their own.
        in_channels: Channels of the images.
        pretrained: See `visus.models.backbones.create_backbone`; for torchvision's segmenters
            `True` for the weights trained on COCO with the classes of Pascal VOC.
        image_size: (height, width) of the images in pixels.
        channels: Width of the heads of `unet` and `deeplabv3plus`.
        finest_stride: Stride of the finest feature map that `fcn` uses: 8 as in the paper, 4 or 2
            for sharper outlines, 16 or 32.
        upsampling: See `Upsampling`; `joint_bilateral` for `fcn` and `deeplabv3plus`.
        backbone_options: The backbone's own arguments.
        refine: See `Refinement`.

    Returns:
        A network with a `body`, from normalised images to logits as `Segmenter` returns them, and
        the mean and standard deviation with which images are normalised.

    Raises:
        VisusError: If these cannot be combined, or as `visus.models.backbones.create_backbone`.
    """
    _check_choices(architecture, upsampling, refine)
    refinement = MarkovRandomField(num_classes) if refine == "mrf" else None
    if architecture in READY_MADE:
        segmenter = create_ready_made(
            architecture, num_classes, in_channels, pretrained, refinement
        )
        return segmenter, IMAGENET_CONSTANTS
    output_stride = 32
    if architecture == "deeplabv3plus":
        output_stride = 16
        if image_size is not None and any(side % 16 for side in image_size):
            height, width = image_size
            raise VisusError(
                f"data.image_size [{height}, {width}]: deeplabv3plus needs multiples of 16; "
                f"use [{-(-height // 16) * 16}, {-(-width // 16) * 16}]"
            )
    body = create_backbone(
        backbone, in_channels, pretrained, image_size, output_stride, **(backbone_options or {})
    )
    fcn_strides = tuple(stride for stride in (2, 4, 8, 16, 32) if stride >= finest_stride)
    if finest_stride not in fcn_strides:
        raise VisusError(f"model.finest_stride {finest_stride} must be 2, 4, 8, 16 or 32")
    strides = {"fcn": fcn_strides, "deeplabv3plus": (4, 16), "unet": body.strides}[architecture]
    widths = [body.channels[i] for i in body.choose(strides)]
    head: nn.Module
    if architecture == "fcn":
        head = FCNHead(widths, num_classes)
    elif architecture == "unet":
        head = UNetHead(widths, num_classes, channels)
    else:
        head = DeepLabHead(widths, num_classes, channels)
    module = JointBilateralUpsampling() if upsampling == "joint_bilateral" else None
    return Segmenter(body, strides, head, module, refinement), (body.mean, body.std)


def _check_choices(architecture: Architecture, upsampling: Upsampling, refine: Refinement) -> None:
    """Refuse unknown names, and an upsampling that the architecture does not take."""
    if architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise VisusError(f"model.architecture {architecture!r} is unknown; choose from {known}")
    if upsampling not in get_args(Upsampling):
        known = ", ".join(get_args(Upsampling))
        raise VisusError(f"model.upsampling {upsampling!r} is unknown; choose from {known}")
    if refine not in get_args(Refinement):
        known = ", ".join(get_args(Refinement))
        raise VisusError(f"model.refine {refine!r} is unknown; choose from {known}")
    if upsampling == "joint_bilateral" and architecture not in ("fcn", "deeplabv3plus"):
        raise VisusError(
            f"model.upsampling joint_bilateral is for fcn and deeplabv3plus, not {architecture}"
        )
