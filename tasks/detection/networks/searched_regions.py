"""R-CNN and Fast R-CNN, whose regions are proposed by selective search instead of a network.

With Faster R-CNN in `visus.tasks.detection.networks.two_stage` they share the head's training,
its losses and its postprocessing, and differ in two things only:

| | regions proposed by | a region's features are pooled from |
|---|---|---|
| R-CNN | selective search | the image: each region is a crop, which the whole backbone processes |
| Fast R-CNN | selective search | feature maps, computed once for the image |
| Faster R-CNN | a network on the feature maps | the same feature maps |
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.ops import roi_align

from visus.models.backbones import Backbone, FeaturePyramid
from visus.tasks.detection.networks.outputs import MAX_DETECTIONS, SCORE_THRESHOLD, Targets
from visus.tasks.detection.networks.region_pooling import RegionPooling
from visus.tasks.detection.networks.two_stage import REPRESENTATION, TwoStageDetector
from visus.vision.selective_search import selective_search

CROP_SIDE = 112
"""Side in pixels of the crops of R-CNN (227 in the paper)."""
_CONTEXT = 1.15
"""Crops are larger than their region by this factor, the paper's 16 pixels on each side."""
_CHUNK = 64
"""Crops that are processed at a time in evaluation."""


def create_rcnn(body: Backbone, num_classes: int, proposals: int) -> TwoStageDetector:
    """R-CNN (Girshick et al. 2014): each proposed region is cropped, resized and classified.

    The paper's support vector machines are replaced by a softmax, and the box is refined by the
    same layer as in Fast R-CNN, so that all layers are trained at once.

    Args:
        body: Computes the features of a crop of `CROP_SIDE` pixels.
        num_classes: Number of classes without background.
        proposals: Regions per image.
    """
    features = _CropFeatures(body)
    heads = _heads(_Crops(), features, body.channels[-1], num_classes, samples=32)
    return _detector(_WholeImages(), body, heads, proposals)


def create_fast_rcnn(pyramid: FeaturePyramid, num_classes: int, proposals: int) -> TwoStageDetector:
    """Fast R-CNN (Girshick 2015) on a feature pyramid.

    Args:
        pyramid: Its maps are computed once for the image.
        num_classes: Number of classes without background.
        proposals: Regions per image.
    """
    pooling = RegionPooling([str(stride) for stride in pyramid.strides], 7, 2)
    layers = TwoMLPHead(pyramid.out_channels * 7 * 7, REPRESENTATION)
    heads = _heads(pooling, layers, REPRESENTATION, num_classes, samples=128)
    return _detector(pyramid, pyramid.body, heads, proposals)


def _heads(
    pooling: nn.Module, layers: nn.Module, features: int, num_classes: int, samples: int
) -> RoIHeads:
    """The part that classifies regions and refines their boxes, with Faster R-CNN's settings.

    Args:
        pooling: From maps and regions to values of each region.
        layers: From there to `features` values.
        features: Their number.
        num_classes: Number of classes without background.
        samples: Regions of each image that enter the losses.
    """
    return RoIHeads(
        pooling,
        layers,
        FastRCNNPredictor(features, num_classes + 1),
        fg_iou_thresh=0.5,
        bg_iou_thresh=0.5,
        batch_size_per_image=samples,
        positive_fraction=0.25,
        bbox_reg_weights=None,
        score_thresh=SCORE_THRESHOLD,
        nms_thresh=0.5,
        detections_per_img=MAX_DETECTIONS,
    )


def _detector(maps: nn.Module, body: Backbone, heads: RoIHeads, proposals: int) -> TwoStageDetector:
    search = _SelectiveSearch(proposals, body.mean, body.std)
    return TwoStageDetector(GeneralizedRCNN(maps, search, heads, nn.Identity()), body)


class _SelectiveSearch(nn.Module):
    """Proposes regions; takes the place of Faster R-CNN's region proposal network.

    Args:
        count: Largest number of regions of an image.
        mean: With which the images were normalised.
        std: With which the images were normalised.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, count: int, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.count = count
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)

    def forward(
        self, images: ImageList, features: dict[str, Tensor], targets: Targets | None = None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """The regions of each image, (regions, 4), and no losses."""
        tensors = images.tensors.permute(0, 2, 3, 1) * self.std + self.mean
        pixels = tensors.round().clamp(0, 255).to(torch.uint8).cpu().numpy()
        found = [selective_search(np.ascontiguousarray(each), self.count) for each in pixels]
        return [torch.from_numpy(boxes).to(images.tensors.device) for boxes in found], {}


class _WholeImages(nn.Module):
    """In place of feature maps: the images themselves, from which R-CNN crops its regions."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"images": images}


class _Crops(nn.Module):
    """Crops of regions, resized to `CROP_SIDE` pixels."""

    def forward(
        self, maps: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> Tensor:
        """Shape (regions of all images, channels, CROP_SIDE, CROP_SIDE)."""
        enlarged = []
        for each in boxes:
            centres, halves = (each[:, :2] + each[:, 2:]) / 2, (each[:, 2:] - each[:, :2]) / 2
            enlarged.append(
                torch.cat([centres - _CONTEXT * halves, centres + _CONTEXT * halves], dim=1)
            )
        # A sampling ratio of 0 averages all pixels of a large region.
        crops: Tensor = roi_align(maps["images"], enlarged, CROP_SIDE, sampling_ratio=0)
        return crops.contiguous(memory_format=torch.channels_last)


class _CropFeatures(nn.Module):
    """The backbone's last feature map of each crop, averaged over its positions."""

    def __init__(self, body: Backbone) -> None:
        super().__init__()
        self.body = body

    def forward(self, crops: Tensor) -> Tensor:
        """Shape (crops, channels of the last map)."""
        parts: Any = [crops] if self.training else torch.split(crops, _CHUNK)
        return torch.cat([self.body(part)[-1].mean((2, 3)) for part in parts])
