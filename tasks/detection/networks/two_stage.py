"""Faster R-CNN and Mask R-CNN on any feature pyramid: propose regions, then name each."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
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

_REPRESENTATION = 1024

AnchorShapes = Sequence[Sequence[Sequence[float]]]
"""(width, height) of the anchors of each pyramid level in pixels, finest level first."""

DEFAULT_ANCHORS: AnchorShapes = [
    [[size / ratio**0.5, size * ratio**0.5] for ratio in (0.5, 1.0, 2.0)]
    for size in (16, 32, 64, 128, 256)
]


class TwoStageDetector(nn.Module):
    """A torchvision detector behind the interface that all our detectors have.

    Args:
        detector: Takes lists of images; its own resizing and normalising is taken out.
        body: The part of it that is the backbone's.
    """

    def __init__(self, detector: FasterRCNN, body: nn.Module) -> None:
        super().__init__()
        detector.transform = _PassOn()
        self.detector = detector
        # A tuple, so that the weights are not registered twice.
        self._body = (body,)

    @property
    def body(self) -> nn.Module:
        """The backbone."""
        return self._body[0]

    def losses(self, images: Tensor, targets: Targets) -> dict[str, Tensor]:
        """The training losses by name.

        Args:
            images: Normalised, float of shape (batch, channels, height, width).
            targets: A dictionary an image: `boxes` float (N, 4), `labels` int64 (N,) from 0, and
                `masks` uint8 (N, height, width) where masks are learnt.
        """
        # Here class 0 is the ground.
        shifted = [{**target, "labels": target["labels"] + 1} for target in targets]
        losses: dict[str, Tensor] = self.detector(images, shifted)
        return losses

    @contextmanager
    def of_one_size(self) -> Iterator[None]:
        """Meanwhile look at equally many regions in each image, and give unsure detections too.

        For OpenVINO, which makes a detection of stale memory out of none, and is faster where it
        knows the rows of a layer of weights before.
        """
        heads, proposing = self.detector.roi_heads, self.detector.rpn
        threshold = heads.score_thresh
        heads.score_thresh, self.detector.rpn = -1.0, _FilledProposals(proposing)
        try:
            yield
        finally:
            heads.score_thresh, self.detector.rpn = threshold, proposing

    def forward(self, images: Tensor) -> Outputs:
        """What is found in normalised images; see `visus.tasks.detection.networks.outputs.Outputs`."""
        found = self.detector(images)
        for image in found:
            image["labels"] = image["labels"] - 1
        return pad_detections(found)


def create_two_stage(
    pyramid: FeaturePyramid,
    num_classes: int,
    anchors: AnchorShapes | None,
    proposals: int,
    masks: bool,
) -> TwoStageDetector:
    """Faster R-CNN (Ren et al. 2015), or Mask R-CNN (He et al. 2017), from fresh weights.

    Args:
        pyramid: With four strides; a fifth, coarser level is pooled from the last.
        num_classes: Without the ground.
        anchors: Shapes of five levels with equally many each; `DEFAULT_ANCHORS` for None.
        proposals: Regions an image that the second stage looks at when it predicts.
        masks: Whether to predict instance masks too.
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
        "box_head": TwoMLPHead(pyramid.out_channels * 7 * 7, _REPRESENTATION),
        "box_score_thresh": SCORE_THRESHOLD,
        "box_detections_per_img": MAX_DETECTIONS,
        "box_batch_size_per_image": 128,
    }
    levelled = _WithCoarserLevel(pyramid)
    if not masks:
        return TwoStageDetector(FasterRCNN(levelled, num_classes + 1, **arguments), pyramid.body)
    channels = pyramid.out_channels
    detector = MaskRCNN(
        levelled,
        **arguments,
        box_predictor=FastRCNNPredictor(_REPRESENTATION, num_classes + 1),
        mask_roi_pool=RegionPooling(levels, 14, 2),
        mask_head=MaskRCNNHeads(channels, (channels,) * 4, 1),
        mask_predictor=MaskRCNNPredictor(channels, channels, num_classes + 1),
    )
    return TwoStageDetector(detector, pyramid.body)


class _ShapedAnchors(AnchorGenerator):  # type: ignore[misc]
    """torchvision's anchors, of the shapes given instead of sizes and aspect ratios."""

    def __init__(self, shapes: AnchorShapes) -> None:
        super().__init__(tuple((1,) * len(level) for level in shapes), ((1.0,),) * len(shapes))
        halves = [torch.tensor(level, dtype=torch.float) / 2 for level in shapes]
        self.cell_anchors = [torch.cat([-half, half], dim=1) for half in halves]


class _WithCoarserLevel(nn.Module):
    """A pyramid with one more level, every second value of its coarsest."""

    def __init__(self, pyramid: FeaturePyramid) -> None:
        super().__init__()
        self.pyramid = pyramid
        self.out_channels = pyramid.out_channels

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps = self.pyramid(images)
        coarsest = maps[str(self.pyramid.strides[-1])]
        return {**maps, "coarser": F.max_pool2d(coarsest, 1, 2)}


class _FilledProposals(nn.Module):
    """Proposals of one number: where there are fewer, the last is given again.

    What is found in it once more goes with the other duplicates.
    """

    def __init__(self, network: RegionProposalNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, images: ImageList, features: dict[str, Tensor], targets: Targets | None = None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        proposals, losses = self.network(images, features, targets)
        numbers = torch.arange(self.network.post_nms_top_n(), device=images.tensors.device)
        lasts = [torch.as_tensor(boxes.shape[0] - 1, device=boxes.device) for boxes in proposals]
        filled = [
            boxes[torch.minimum(numbers, last)]
            for boxes, last in zip(proposals, lasts, strict=True)
        ]
        return filled, losses


class _PassOn(nn.Module):
    """Stands in for torchvision's transform: images come normalised and of one size."""

    def forward(self, images: Tensor, targets: Targets | None) -> tuple[ImageList, Targets | None]:
        sizes = [(int(images.shape[2]), int(images.shape[3]))] * len(images)
        return ImageList(images, sizes), targets

    def postprocess(self, found: Targets, *sizes: Any) -> Targets:
        """What was found, as it is: in pixels of the input."""
        return found
