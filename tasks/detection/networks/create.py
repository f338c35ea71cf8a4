"""Build a detector by the name of its architecture."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

from visus.models.backbones import FeaturePyramid, create_backbone
from visus.models.backbones.base import IMAGENET_CONSTANTS, Constants
from visus.tasks.detection.networks.one_stage import OneStageDetector
from visus.tasks.detection.networks.ready_made import READY_MADE, create_ready_made
from visus.tasks.detection.networks.searched_regions import (
    CROP_SIDE,
    create_fast_rcnn,
    create_rcnn,
)
from visus.tasks.detection.networks.two_stage import (
    AnchorShapes,
    TwoStageDetector,
    create_two_stage,
)
from visus.vision.errors import VisusError

Architecture = Literal[
    "faster_rcnn",
    "one_stage",
    "fast_rcnn",
    "rcnn",
    "fasterrcnn_resnet50_fpn_v2",
    "fasterrcnn_mobilenet_v3_large_fpn",
]
"""The first four take any backbone; the others are torchvision's whole detectors."""

ARCHITECTURES = get_args(Architecture)


def create_detector(
    architecture: Architecture,
    num_classes: int,
    backbone: str = "tf_efficientnet_lite0",
    in_channels: int = 3,
    pretrained: bool | str = False,
    image_size: tuple[int, int] | None = None,
    channels: int = 64,
    anchors: AnchorShapes | None = None,
    proposals: int = 200,
    masks: bool = False,
    strides: Sequence[int] | None = None,
    shared_towers: bool = False,
    **backbone_options: Any,
) -> tuple[TwoStageDetector | OneStageDetector, Constants]:
    """Build a detector.

    Args:
        architecture: See `Architecture`.
        num_classes: Number of classes without background.
        backbone: A name from the registry with feature maps of the strides 4 to 32 (`faster_rcnn`,
            `fast_rcnn`) or 8 to 32 (`one_stage`), any for `rcnn`; torchvision's detectors have
            their own.
        in_channels: Channels of the images.
        pretrained: As in `visus.models.backbones.create_backbone`; for torchvision's detectors
            `True` for the weights trained on COCO.
        image_size: (height, width) of the images in pixels.
        channels: Channels of the feature pyramid.
        anchors: See `visus.tasks.detection.networks.two_stage.create_two_stage`.
        proposals: Region proposals per image in the second stage, for `faster_rcnn` at inference.
        masks: Whether to predict instance masks as well.
        strides: Strides of the one-stage detector's feature maps, finest first; 8, 16 and 32 for
            None.
        shared_towers: See `OneStageDetector`.
        backbone_options: Arguments of the backbone's own.

    Returns:
        The detector, and the constants that its images are normalised with.

    Raises:
        VisusError: If these contradict each other, or as `visus.models.backbones.create_backbone`.
    """
    if architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise VisusError(f"model.architecture {architecture!r} is unknown; choose from {known}")
    if masks and architecture != "faster_rcnn":
        raise VisusError(
            f"masks need model.architecture faster_rcnn, not {architecture!r}; "
            "set data.masks to false, or train with --config detection/faster_rcnn"
        )
    if anchors and architecture != "faster_rcnn":
        raise VisusError(
            f"fitted anchors need model.architecture faster_rcnn, not {architecture!r}; "
            "leave data.anchors out, or train with --config detection/faster_rcnn"
        )
    if strides and (architecture != "one_stage" or list(strides) != sorted(set(strides))):
        raise VisusError(
            f"model.strides {list(strides)} must increase, and need model.architecture one_stage "
            f"(here {architecture!r}); correct them, or leave them out"
        )
    if architecture in READY_MADE:
        detector = create_ready_made(architecture, num_classes, in_channels, pretrained, proposals)
        return detector, IMAGENET_CONSTANTS
    if architecture == "one_stage":
        coarsest = strides[-1] if strides else None
        body = create_backbone(
            backbone,
            in_channels,
            pretrained,
            image_size,
            coarsest_stride=coarsest,
            **backbone_options,
        )
        pyramid = FeaturePyramid(body, strides or (8, 16, 32), channels)
        return OneStageDetector(pyramid, num_classes, shared_towers), (body.mean, body.std)
    if architecture == "rcnn":
        image_size = (CROP_SIDE, CROP_SIDE)
    body = create_backbone(backbone, in_channels, pretrained, image_size, **backbone_options)
    if architecture == "rcnn":
        return create_rcnn(body, num_classes, proposals), (body.mean, body.std)
    pyramid = FeaturePyramid(body, (4, 8, 16, 32), channels)
    if architecture == "fast_rcnn":
        return create_fast_rcnn(pyramid, num_classes, proposals), (body.mean, body.std)
    two_stage = create_two_stage(pyramid, num_classes, anchors, proposals, masks)
    return two_stage, (body.mean, body.std)
