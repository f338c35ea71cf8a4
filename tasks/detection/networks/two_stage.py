"""Faster R-CNN and Mask R-CNN on any feature pyramid."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import RegionProposalNetwork

from visus.models.backbones import FeaturePyramid
from visus.tasks.detection.networks.outputs import (
    MAX_DETECTIONS,
    SCORE_THRESHOLD,
    Outputs,
    Targets,
    pad_detections,
)
from visus.tasks.detection.networks.region_pooling import RegionPooling
from visus.vision.errors import VisusError

REPRESENTATION = 1024
"""Values that describe a region in the second stage."""

AnchorShapes = Sequence[Sequence[Sequence[float]]]
"""(width, height) in pixels of the anchors of each pyramid level, finest level first."""

DEFAULT_ANCHORS: AnchorShapes = [
    [[size / ratio**0.5, size * ratio**0.5] for ratio in (0.5, 1.0, 2.0)]
    for size in (16, 32, 64, 128, 256)
]


class TwoStageDetector(nn.Module):
    """A torchvision detector with the interface of all detectors here.

    Args:
        detector: The detector; its resizing and normalisation are replaced, as images are resized
            and normalised before.
        body: The part of it that is the backbone.
    """

    def __init__(self, detector: GeneralizedRCNN, body: nn.Module) -> None:
        super().__init__()
        detector.transform = _IdentityTransform()
        _compute_boxes_in_float32(detector)
        self.detector = detector
        # A tuple, so that the weights are not registered twice.
        self._body = (body,)

    @property
    def body(self) -> nn.Module:
        """The backbone."""
        return self._body[0]

    @property
    def loss_names(self) -> tuple[str, ...]:
        """Names of the training losses."""
        names = ["loss_classifier", "loss_box_reg"]
        if isinstance(self.detector.rpn, RegionProposalNetwork):
            names += ["loss_objectness", "loss_rpn_box_reg"]
        if self.detector.roi_heads.has_mask():
            names.append("loss_mask")
        return tuple(names)

    def losses(self, images: Tensor, targets: Targets) -> dict[str, Tensor]:
        """The training losses by name.

        Args:
            images: Normalised, float of shape (batch, channels, height, width).
            targets: See `visus.tasks.detection.networks.outputs.Targets`.
        """
        # Class 0 is torchvision's background.
        shifted = [{**target, "labels": target["labels"] + 1} for target in targets]
        with _proposals_of_any_score(self.detector.rpn):
            losses: dict[str, Tensor] = self.detector(images, shifted)
        return losses

    @contextmanager
    def fixed_size(self) -> Iterator[None]:
        """A context with a fixed number of proposals, and detections of any score.

        For OpenVINO, which returns stale memory as a detection where there is none, and is faster
        where the number of rows of a matrix product is known in advance.

        Raises:
            VisusError: If the proposals are not computed by a network.
        """
        heads, rpn = self.detector.roi_heads, self.detector.rpn
        if not isinstance(rpn, RegionProposalNetwork):
            raise VisusError(
                "rcnn and fast_rcnn cannot be exported, as selective search is not part of the "
                "network; train with model.architecture faster_rcnn"
            )
        threshold = heads.score_thresh
        heads.score_thresh, self.detector.rpn = -1.0, _PaddedProposals(rpn)
        try:
            yield
        finally:
            heads.score_thresh, self.detector.rpn = threshold, rpn

    def forward(self, images: Tensor) -> Outputs:
        """Detections in normalised images; see `visus.tasks.detection.networks.outputs.Outputs`."""
        detections = self.detector(images)
        for image in detections:
            image["labels"] = image["labels"] - 1
        return pad_detections(detections)


def create_two_stage(
    pyramid: FeaturePyramid,
    num_classes: int,
    anchors: AnchorShapes | None,
    proposals: int,
    masks: bool,
) -> TwoStageDetector:
    """Faster R-CNN (Ren et al. 2015), or Mask R-CNN (He et al. 2017), with random weights.

    Args:
        pyramid: With four strides; a fifth, coarser level is pooled from the last.
        num_classes: Number of classes without background.
        anchors: Shapes of five levels, equally many per level; `DEFAULT_ANCHORS` for None.
        proposals: Region proposals per image in the second stage at inference.
        masks: Whether to predict instance masks as well.
    """
    generator = _ShapedAnchors(anchors or DEFAULT_ANCHORS)
    levels = [str(stride) for stride in pyramid.strides]
    arguments: dict[str, Any] = {
        "rpn_anchor_generator": generator,
        "rpn_pre_nms_top_n_train": 1000,
        "rpn_post_nms_top_n_train": 500,
        "rpn_pre_nms_top_n_test": max(proposals, 500),
        "rpn_post_nms_top_n_test": proposals,
        "box_roi_pool": RegionPooling(levels, 7, 2),
        "box_head": TwoMLPHead(pyramid.out_channels * 7 * 7, REPRESENTATION),
        "box_score_thresh": SCORE_THRESHOLD,
        "box_detections_per_img": MAX_DETECTIONS,
        "box_batch_size_per_image": 128,
    }
    backbone = _WithCoarserLevel(pyramid)
    if not masks:
        return TwoStageDetector(FasterRCNN(backbone, num_classes + 1, **arguments), pyramid.body)
    channels = pyramid.out_channels
    detector = MaskRCNN(
        backbone,
        **arguments,
        box_predictor=FastRCNNPredictor(REPRESENTATION, num_classes + 1),
        mask_roi_pool=RegionPooling(levels, 14, 2),
        mask_head=MaskRCNNHeads(channels, (channels,) * 4, 1),
        mask_predictor=MaskRCNNPredictor(channels, channels, num_classes + 1),
    )
    return TwoStageDetector(detector, pyramid.body)


class _ShapedAnchors(AnchorGenerator):  # type: ignore[misc]
    """torchvision's anchor generator with shapes instead of sizes and aspect ratios."""

    def __init__(self, shapes: AnchorShapes) -> None:
        super().__init__(tuple((1,) * len(level) for level in shapes), ((1.0,),) * len(shapes))
        halves = [torch.tensor(level, dtype=torch.float) / 2 for level in shapes]
        self.cell_anchors = [torch.cat([-half, half], dim=1) for half in halves]


def _compute_boxes_in_float32(detector: GeneralizedRCNN) -> None:
    """Convert what boxes are computed from, whose type they get: bfloat16 would round them.

    In mixed precision coordinates above 256 pixels would be even numbers.
    """
    detector.roi_heads.box_predictor.register_forward_hook(_to_float32)
    if isinstance(detector.rpn, RegionProposalNetwork):
        detector.rpn.head.register_forward_hook(_to_float32)
        detector.rpn.anchor_generator.register_forward_pre_hook(_maps_to_float32)


def _to_float32(module: nn.Module, inputs: object, outputs: Sequence[Any]) -> tuple[Any, Any]:
    """The scores and the boxes of a head, each a tensor or a list of them for the levels."""
    scores, boxes = (
        each.float() if isinstance(each, Tensor) else [level.float() for level in each]
        for each in outputs
    )
    return scores, boxes


def _maps_to_float32(
    module: nn.Module, inputs: tuple[ImageList, list[Tensor]]
) -> tuple[ImageList, list[Tensor]]:
    images, maps = inputs
    return images, [each.float() for each in maps]


class _WithCoarserLevel(nn.Module):
    """A pyramid with one more level, its coarsest one subsampled by 2."""

    def __init__(self, pyramid: FeaturePyramid) -> None:
        super().__init__()
        self.pyramid = pyramid
        self.out_channels = pyramid.out_channels

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps = self.pyramid(images)
        coarsest = maps[str(self.pyramid.strides[-1])]
        return {**maps, "coarser": F.max_pool2d(coarsest, 1, 2)}


@contextmanager
def _proposals_of_any_score(rpn: nn.Module) -> Iterator[None]:
    """Disable the minimum score: the loss of an image without objects and proposals is NaN."""
    if not isinstance(rpn, RegionProposalNetwork):
        yield
        return
    threshold, rpn.score_thresh = rpn.score_thresh, 0.0
    try:
        yield
    finally:
        rpn.score_thresh = threshold


class _PaddedProposals(nn.Module):
    """A proposal network with a fixed number of proposals: fewer are padded with the last one.

    Without any proposal, the box of the whole image is used.

    Non-maximum suppression removes the duplicate detections.
    """

    def __init__(self, network: RegionProposalNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, images: ImageList, features: dict[str, Tensor], targets: Targets | None = None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        proposals, losses = self.network(images, features, targets)
        indices = torch.arange(self.network.post_nms_top_n(), device=images.tensors.device)
        lasts = [torch.as_tensor(boxes.shape[0] - 1, device=boxes.device) for boxes in proposals]
        height, width = images.tensors.shape[2:]
        whole = images.tensors.new_tensor([[0.0, 0.0, width, height]])
        padded = [
            torch.cat([boxes, whole])[torch.minimum(indices, last).clamp(min=0)]
            for boxes, last in zip(proposals, lasts, strict=True)
        ]
        return padded, losses


class _IdentityTransform(nn.Module):
    """Replaces torchvision's transform: images are normalised and of one size already."""

    def forward(self, images: Tensor, targets: Targets | None) -> tuple[ImageList, Targets | None]:
        sizes = [(int(images.shape[2]), int(images.shape[3]))] * len(images)
        return ImageList(images, sizes), targets

    def postprocess(self, detections: Targets, *sizes: Any) -> Targets:
        """The detections unchanged, in pixels of the input."""
        return detections
