"""A one-stage, anchor-free detector as the YOLO family: every place says what it sees.

At each place of each pyramid level two small towers of convolutions tell the scores of the classes
and the distances to the four sides of the box. Which places learn an object is decided by how well
they already predict it (`visus.tasks.detection.networks.alignment`).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import batched_nms, complete_box_iou_loss

from visus.models.backbones import FeaturePyramid
from visus.tasks.detection.networks.alignment import assign
from visus.tasks.detection.networks.outputs import (
    MAX_DETECTIONS,
    SCORE_THRESHOLD,
    Outputs,
    Targets,
    pad_detections,
)

_CANDIDATES = 1000
_PRIOR = 0.01
_BOX_SHARE, _SIDE_SHARE = 6.0, 1.0
"""Of the losses, beside that of the scores: high, as names are learnt long before exact boxes."""
_BINS = 16
"""Distances are told as a distribution over this many steps, each a stride long."""


class OneStageDetector(nn.Module):
    """Scores and boxes at every place of a feature pyramid, in one pass.

    Towers, distribution of distances and loss follow generalised focal loss (Li et al. 2020) and
    task-aligned one-stage detection (Feng et al. 2021).

    Args:
        pyramid: Where the maps come from.
        num_classes: How many scores a place.
    """

    steps: Tensor

    def __init__(self, pyramid: FeaturePyramid, num_classes: int) -> None:
        super().__init__()
        self.pyramid = pyramid
        self.num_classes = num_classes
        channels = pyramid.out_channels
        self.score_towers = nn.ModuleList(_tower(channels, num_classes) for _ in pyramid.strides)
        self.side_towers = nn.ModuleList(_tower(channels, 4 * _BINS) for _ in pyramid.strides)
        for tower in self.score_towers:
            # Few places hold an object: begin with low scores (Lin et al. 2017, "Focal Loss").
            last = tower.get_submodule("last")
            assert isinstance(last, nn.Conv2d) and last.bias is not None
            nn.init.constant_(last.bias, -math.log((1 - _PRIOR) / _PRIOR))
        self.register_buffer("steps", torch.arange(_BINS, dtype=torch.float), persistent=False)

    @property
    def body(self) -> nn.Module:
        """The backbone."""
        return self.pyramid.body

    def losses(self, images: Tensor, targets: Targets) -> dict[str, Tensor]:
        """The training losses by name; see `TwoStageDetector.losses`."""
        logits, bins, places, strides = self._predict(images)
        boxes = self._decode(bins, places, strides)
        chosen = [
            assign(logits[i].detach().sigmoid(), boxes[i].detach(), places, strides, **target)
            for i, target in enumerate(
                {"truth": t["boxes"], "labels": t["labels"]} for t in targets
            )
        ]
        wanted = torch.stack([c.scores for c in chosen])
        weights = torch.stack([c.weights for c in chosen])
        truth = torch.stack([c.boxes for c in chosen])
        total = wanted.sum().clamp(min=1)
        scores = F.binary_cross_entropy_with_logits(logits, wanted, reduction="sum") / total
        hit = weights > 0
        weight = weights[hit]
        # Over no places these are sums of nothing: zero, with a gradient of zero.
        overlap = (complete_box_iou_loss(boxes[hit], truth[hit]) * weight).sum() / total
        where = hit.nonzero()[:, 1]
        sides = _sides(truth[hit], places[where]) / strides[where, None]
        spread = (_distribution_loss(bins[hit], sides) * weight).sum() / total
        return {"scores": scores, "boxes": _BOX_SHARE * overlap, "sides": _SIDE_SHARE * spread}

    def forward(self, images: Tensor) -> Outputs:
        """What is found in normalised images; see `visus.tasks.detection.networks.outputs.Outputs`."""
        logits, bins, places, strides = self._predict(images)
        boxes = self._decode(bins, places, strides)
        height, width = images.shape[2:]
        limits = boxes.new_tensor([width, height, width, height])
        boxes = torch.minimum(boxes.clamp(min=0), limits)
        return pad_detections(
            [
                self._select(*each)
                for each in zip(logits.sigmoid().flatten(1).unbind(), boxes.unbind(), strict=True)
            ]
        )

    def _select(self, scores: Tensor, boxes: Tensor) -> dict[str, Tensor]:
        """The best of one image: scores (places * classes,) and boxes (places, 4)."""
        best, index = scores.topk(min(_CANDIDATES, scores.numel()))
        # The best always stays: OpenVINO makes one detection of stale memory out of none.
        sure = torch.cat([torch.ones_like(best[:1], dtype=torch.bool), best[1:] > SCORE_THRESHOLD])
        index, best = index[sure], best[sure]
        labels = index % self.num_classes
        candidates = boxes[index // self.num_classes]
        keep = batched_nms(candidates, best, labels, 0.6)[:MAX_DETECTIONS]
        return {"boxes": candidates[keep], "scores": best[keep], "labels": labels[keep]}

    def _predict(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of all places, level by level: logits, logits of the distances, centres, strides.

        Shapes (batch, places, classes), (batch, places, 4, bins), (places, 2), (places,).
        """
        maps = list(self.pyramid(images).values())
        pairs = zip(self.score_towers, maps, strict=True)
        logits = [tower(level).flatten(2) for tower, level in pairs]
        pairs = zip(self.side_towers, maps, strict=True)
        bins = [tower(level).flatten(2) for tower, level in pairs]
        places, strides = [], []
        for level, stride in zip(maps, self.pyramid.strides, strict=True):
            rows = torch.arange(level.shape[2], device=level.device) + 0.5
            columns = torch.arange(level.shape[3], device=level.device) + 0.5
            y, x = torch.meshgrid(rows, columns, indexing="ij")
            places.append(torch.stack([x, y], dim=-1).flatten(0, 1) * stride)
            strides.append(torch.full_like(places[-1][:, 0], stride))
        # In full precision from here: sums over thousands of places and exact boxes.
        all_logits = torch.cat(logits, dim=2).transpose(1, 2).float()
        all_bins = torch.cat(bins, dim=2).transpose(1, 2).float()
        all_bins = all_bins.reshape(*all_bins.shape[:2], 4, _BINS)
        return all_logits, all_bins, torch.cat(places), torch.cat(strides)

    def _decode(self, bins: Tensor, places: Tensor, strides: Tensor) -> Tensor:
        """Boxes (batch, places, 4) from the distributions of their sides' distances."""
        distances = (bins.softmax(-1) * self.steps).sum(-1) * strides[:, None]
        return torch.cat([places - distances[..., :2], places + distances[..., 2:]], dim=-1)


def _tower(channels: int, outputs: int) -> nn.Sequential:
    """Two convolutions and one that tells."""
    tower = nn.Sequential()
    for i in range(2):
        tower.add_module(f"conv{i}", nn.Conv2d(channels, channels, 3, padding=1, bias=False))
        tower.add_module(f"norm{i}", nn.BatchNorm2d(channels))
        tower.add_module(f"act{i}", nn.SiLU())
    tower.add_module("last", nn.Conv2d(channels, outputs, 1))
    return tower


def _sides(boxes: Tensor, places: Tensor) -> Tensor:
    """Distances (N, 4) from places (N, 2) to the left, top, right and bottom of boxes (N, 4)."""
    return torch.cat([places - boxes[:, :2], boxes[:, 2:] - places], dim=1)


def _distribution_loss(bins: Tensor, sides: Tensor) -> Tensor:
    """Distribution focal loss (Li et al. 2020): cross-entropy to the two nearest steps.

    Args:
        bins: Logits of shape (N, 4, steps).
        sides: Distances of shape (N, 4) in strides.

    Returns:
        Shape (N,).
    """
    sides = sides.clamp(0, _BINS - 1 - 0.01)
    lower = sides.long()
    share = sides - lower
    logs = bins.log_softmax(-1)
    near = logs.gather(-1, lower[..., None])[..., 0] * (1 - share)
    far = logs.gather(-1, lower[..., None] + 1)[..., 0] * share
    return -(near + far).mean(-1)
