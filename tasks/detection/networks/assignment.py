"""Task-aligned assignment: which positions of a one-stage detector are trained on which object."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_iou

_TOP = 13
_SCORE_POWER, _IOU_POWER = 1.0, 6.0


@dataclass(frozen=True, eq=False)
class Assignment:
    """The training targets of all positions of one image.

    Attributes:
        scores: float (positions, classes): target scores, 0 for background.
        boxes: float (positions, 4): target boxes; meaningless where the weight is 0.
        weights: float (positions,): weight of the box in the loss, 0 for background.
    """

    scores: Tensor
    boxes: Tensor
    weights: Tensor


@torch.no_grad()
def assign(
    scores: Tensor,
    boxes: Tensor,
    positions: Tensor,
    strides: Tensor,
    truth: Tensor,
    labels: Tensor,
) -> Assignment:
    """Task-aligned assignment (Feng et al. 2021, "TOOD").

    Of the positions inside an object those with the highest `score * iou ** 6` are assigned to it;
    a position inside several objects is assigned to the one of highest IoU, but every object keeps
    its best position. An object too small to contain the centre of any position is assigned to
    the nearest ones.

    Args:
        scores: Predicted scores (positions, classes), 0 to 1.
        boxes: Predicted boxes (positions, 4).
        positions: Centres (positions, 2) in pixels of the input.
        strides: Stride of each position (positions,), in pixels.
        truth: Boxes of the objects (objects, 4).
        labels: Class ids of the objects (objects,).
    """
    targets = torch.zeros_like(scores)
    if len(truth) == 0:
        return Assignment(targets, torch.zeros_like(boxes), torch.zeros_like(strides))
    iou = box_iou(truth, boxes)
    alignment = scores[:, labels].T ** _SCORE_POWER * iou**_IOU_POWER
    # At least 1.5 strides wide, so that the smallest object contains the centre of some position.
    centre, half = (truth[:, :2] + truth[:, 2:]) / 2, (truth[:, 2:] - truth[:, :2]) / 2
    reach = torch.maximum(half[:, None], strides.min().expand(1, 1, 2) * 0.75)
    inside = ((positions[None] - centre[:, None]).abs() < reach).all(-1)
    alignment = torch.where(inside, alignment + 1e-9, 0.0)
    top = alignment.topk(min(_TOP, len(positions)), dim=1)
    candidate = torch.zeros_like(inside)
    candidate.scatter_(1, top.indices, top.values > 0)
    # A position is assigned to one object only.
    owner = torch.where(candidate, iou + 1e-9, 0.0).argmax(0)
    indices = torch.arange(len(truth), device=truth.device)
    empty = ~(candidate & (owner == indices[:, None])).any(1)
    owner[alignment.argmax(1)[empty]] = indices[empty]
    candidate &= owner == indices[:, None]
    alignment = torch.where(candidate, alignment, 0.0)
    # The target score of an object's best position is the object's highest IoU.
    best = alignment.amax(1, keepdim=True).clamp(min=1e-12)
    quality = alignment / best * torch.where(candidate, iou, 0.0).amax(1, keepdim=True)
    foreground = candidate.any(0)
    weights = torch.where(foreground, quality.amax(0), 0.0)
    rows = foreground.nonzero()[:, 0]
    targets[rows, labels[owner[rows]]] = weights[rows]
    return Assignment(targets, truth[owner], weights)
