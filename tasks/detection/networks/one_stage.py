"""A one-stage, anchor-free detector on a feature pyramid, similar to the YOLO family.

At each position of each pyramid level two small towers of convolutions predict the class scores
and the distances to the four sides of the box. Positions are assigned to objects by how well they
predict them already (`visus.tasks.detection.networks.assignment`).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import batched_nms, complete_box_iou_loss

from visus.models.backbones import FeaturePyramid
from visus.tasks.detection.networks.assignment import assign
from visus.tasks.detection.networks.outputs import (
    SCORE_THRESHOLD,
    Outputs,
    Targets,
    pad_detections,
)

_CANDIDATES = 3000
"""Highest scores of an image that enter non-maximum suppression."""
_MAX_DETECTIONS = 300
"""Per image: in crowds there are more objects than the 100 that COCO counts."""
_MAX_IOU = 0.6
"""IoU threshold of non-maximum suppression, which is applied within each class."""
_PRIOR = 0.01
"""Initial score of every class at every position."""
_BOX_WEIGHT, _SIDE_WEIGHT = 6.0, 1.0
"""Weights of the losses beside that of the scores: classes are learned long before exact boxes."""
_BINS = 16
"""Distances are predicted as a distribution over this many bins, each a stride wide."""
_DECAY = 0.35
"""Initial decrease of the logits from bin to bin: a mean distance of 2.3 strides."""


class OneStageDetector(nn.Module):
    """Class scores and boxes at every position of a feature pyramid.

    Towers, distribution of distances and loss follow generalised focal loss (Li et al. 2020) and
    task-aligned one-stage detection (Feng et al. 2021).

    Args:
        pyramid: The feature pyramid.
        num_classes: Number of classes.
        shared_towers: Whether all levels share the convolutions of their towers, with a batch norm
            of each level's own (Lyu et al. 2022, "RTMDet"): fewer parameters, which learn from
            objects of all sizes.
    """

    bin_values: Tensor
    loss_names = ("scores", "boxes", "sides")

    def __init__(
        self, pyramid: FeaturePyramid, num_classes: int, shared_towers: bool = False
    ) -> None:
        super().__init__()
        self.pyramid = pyramid
        self.num_classes = num_classes
        channels, levels = pyramid.out_channels, len(pyramid.strides)
        self.score_towers = _towers(levels, channels, num_classes, shared_towers)
        self.side_towers = _towers(levels, channels, 4 * _BINS, shared_towers)
        values = torch.arange(_BINS, dtype=torch.float)
        for scores, sides in zip(self.score_towers, self.side_towers, strict=True):
            # Few positions show an object: low initial scores (Lin et al. 2017, "Focal Loss").
            _set_last_bias(scores, torch.full((num_classes,), -math.log((1 - _PRIOR) / _PRIOR)))
            # Boxes of a few strides: positions are assigned by the overlap of their boxes, which
            # those of a uniform distribution, 15 strides wide, have with large objects only.
            _set_last_bias(sides, (-_DECAY * values).repeat(4))
        self.register_buffer("bin_values", values, persistent=False)

    @property
    def body(self) -> nn.Module:
        """The backbone."""
        return self.pyramid.body

    def losses(self, images: Tensor, targets: Targets) -> dict[str, Tensor]:
        """The training losses by name; see `TwoStageDetector.losses`."""
        logits, bins, positions, strides = self._predict(images)
        boxes = self._decode(bins, positions, strides)
        assignments = [
            assign(
                logits[i].detach().sigmoid(),
                boxes[i].detach(),
                positions,
                strides,
                target["boxes"],
                target["labels"],
            )
            for i, target in enumerate(targets)
        ]
        target_scores = torch.stack([each.scores for each in assignments])
        target_boxes = torch.stack([each.boxes for each in assignments])
        weights = torch.stack([each.weights for each in assignments])
        total = target_scores.sum().clamp(min=1)
        score_loss = F.binary_cross_entropy_with_logits(logits, target_scores, reduction="sum")
        foreground = weights > 0
        weight = weights[foreground]
        # Without any foreground these are empty sums: zero, with a gradient of zero.
        truth = target_boxes[foreground]
        box_loss = (complete_box_iou_loss(boxes[foreground], truth) * weight).sum() / total
        rows = foreground.nonzero()[:, 1]
        sides = _sides(truth, positions[rows]) / strides[rows, None]
        side_loss = (_distribution_loss(bins[foreground], sides) * weight).sum() / total
        return {
            "scores": score_loss / total,
            "boxes": _BOX_WEIGHT * box_loss,
            "sides": _SIDE_WEIGHT * side_loss,
        }

    def forward(self, images: Tensor) -> Outputs:
        """Detections in normalised images; see `visus.tasks.detection.networks.outputs.Outputs`."""
        logits, bins, positions, strides = self._predict(images)
        boxes = self._decode(bins, positions, strides)
        height, width = images.shape[2:]
        limits = boxes.new_tensor([width, height, width, height])
        boxes = torch.minimum(boxes.clamp(min=0), limits)
        return pad_detections(
            [
                self._select(*each)
                for each in zip(logits.sigmoid().flatten(1).unbind(), boxes.unbind(), strict=True)
            ]
        )

    def level_outputs(self, images: Tensor) -> list[Tensor]:
        """The score logits of each level, then the logits of the distances of each level.

        Args:
            images: Normalised, float of shape (batch, in_channels, height, width).

        Returns:
            Tensors of shape (batch, classes, rows, columns) and (batch, 4 * bins, rows, columns).
        """
        maps = list(self.pyramid(images).values())
        scores = [tower(level) for tower, level in zip(self.score_towers, maps, strict=True)]
        sides = [tower(level) for tower, level in zip(self.side_towers, maps, strict=True)]
        return scores + sides

    def _select(self, scores: Tensor, boxes: Tensor) -> dict[str, Tensor]:
        """The detections of one image after non-maximum suppression.

        Args:
            scores: Shape (positions * classes,).
            boxes: Shape (positions, 4).
        """
        best, index = scores.topk(min(_CANDIDATES, scores.numel()))
        # The best is always kept: OpenVINO returns stale memory where there is no detection.
        first = torch.ones_like(best[:1], dtype=torch.bool)
        selected = torch.cat([first, best[1:] > SCORE_THRESHOLD])
        index, best = index[selected], best[selected]
        labels = index % self.num_classes
        candidates = boxes[index // self.num_classes]
        keep = batched_nms(candidates, best, labels, _MAX_IOU)[:_MAX_DETECTIONS]
        return {"boxes": candidates[keep], "scores": best[keep], "labels": labels[keep]}

    def _predict(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The network's outputs at all positions, level by level.

        Returns:
            Class logits (batch, positions, classes), logits of the distances (batch, positions, 4,
            bins), centres of the positions in pixels (positions, 2), and strides (positions,).
        """
        maps = self.level_outputs(images)
        levels = len(self.pyramid.strides)
        logits = [each.flatten(2) for each in maps[:levels]]
        bins = [each.flatten(2) for each in maps[levels:]]
        positions, strides = [], []
        for level, stride in zip(maps[:levels], self.pyramid.strides, strict=True):
            rows = torch.arange(level.shape[2], device=level.device) + 0.5
            columns = torch.arange(level.shape[3], device=level.device) + 0.5
            y, x = torch.meshgrid(rows, columns, indexing="ij")
            positions.append(torch.stack([x, y], dim=-1).flatten(0, 1) * stride)
            strides.append(torch.full_like(positions[-1][:, 0], stride))
        # In full precision from here on: sums over thousands of positions, and exact boxes.
        all_logits = torch.cat(logits, dim=2).transpose(1, 2).float()
        all_bins = torch.cat(bins, dim=2).transpose(1, 2).float()
        all_bins = all_bins.reshape(*all_bins.shape[:2], 4, _BINS)
        return all_logits, all_bins, torch.cat(positions), torch.cat(strides)

    def _decode(self, bins: Tensor, positions: Tensor, strides: Tensor) -> Tensor:
        """Boxes (batch, positions, 4) from the distributions of the distances to their sides."""
        distances = (bins.softmax(-1) * self.bin_values).sum(-1) * strides[:, None]
        return torch.cat([positions - distances[..., :2], positions + distances[..., 2:]], dim=-1)


def _towers(levels: int, channels: int, outputs: int, shared: bool) -> nn.ModuleList:
    """A tower for each level, with convolutions of its own or those of the first one."""
    towers = nn.ModuleList(_tower(channels, outputs) for _ in range(levels))
    if shared:
        for tower in towers[1:]:
            for name in ("conv0", "conv1", "last"):
                setattr(tower, name, towers[0].get_submodule(name))
    return towers


def _tower(channels: int, outputs: int) -> nn.Sequential:
    """Two convolutions with batch norm, and a prediction layer."""
    tower = nn.Sequential()
    for i in range(2):
        tower.add_module(f"conv{i}", nn.Conv2d(channels, channels, 3, padding=1, bias=False))
        tower.add_module(f"norm{i}", nn.BatchNorm2d(channels))
        tower.add_module(f"act{i}", nn.SiLU())
    tower.add_module("last", nn.Conv2d(channels, outputs, 1))
    return tower


def _set_last_bias(tower: nn.Module, values: Tensor) -> None:
    last = tower.get_submodule("last")
    assert isinstance(last, nn.Conv2d) and last.bias is not None
    with torch.no_grad():
        last.bias.copy_(values)


def _sides(boxes: Tensor, positions: Tensor) -> Tensor:
    """Distances (N, 4) from positions (N, 2) to the left, top, right, bottom of boxes (N, 4)."""
    return torch.cat([positions - boxes[:, :2], boxes[:, 2:] - positions], dim=1)


def _distribution_loss(bins: Tensor, sides: Tensor) -> Tensor:
    """Distribution focal loss (Li et al. 2020): cross-entropy with the two nearest bins.

    Args:
        bins: Logits of shape (N, 4, bins).
        sides: Distances of shape (N, 4) in strides.

    Returns:
        Shape (N,).
    """
    sides = sides.clamp(0, _BINS - 1 - 0.01)
    lower = sides.long()
    fraction = sides - lower
    logs = bins.log_softmax(-1)
    left = logs.gather(-1, lower[..., None])[..., 0] * (1 - fraction)
    right = logs.gather(-1, lower[..., None] + 1)[..., 0] * fraction
    return -(left + right).mean(-1)
