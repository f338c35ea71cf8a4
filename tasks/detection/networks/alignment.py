"""Which places of a one-stage detector learn which object: task-aligned assignment."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_iou

_TOP = 13
_SCORE_POWER, _OVERLAP_POWER = 1.0, 6.0


@dataclass(frozen=True, eq=False)
class Assignment:
    """What each place of one image shall learn.

    Attributes:
        scores: float (places, classes): the score to reach, 0 where there is no object.
        boxes: float (places, 4): the box to reach; meaningless where the weight is 0.
        weights: float (places,): the weight of the box in the loss, 0 for the ground.
    """

    scores: Tensor
    boxes: Tensor
    weights: Tensor


@torch.no_grad()
def assign(
    scores: Tensor,
    boxes: Tensor,
    places: Tensor,
    strides: Tensor,
    truth: Tensor,
    labels: Tensor,
) -> Assignment:
    """Task-aligned assignment (Feng et al. 2021, "TOOD").

    Of the places inside an object those with the best `score * overlap ** 6` learn it; a place
    inside several objects learns the one that it overlaps most, but every object keeps its best
    place. An object too small to hold the centre of any place is given to the nearest ones.

    Args:
        scores: Predicted, (places, classes), 0 to 1.
        boxes: Predicted, (places, 4).
        places: Centres (places, 2) in pixels of the input.
        strides: Of each place (places,), in pixels.
        truth: The objects' boxes (objects, 4).
        labels: Their class ids (objects,).
    """
    wanted = torch.zeros_like(scores)
    if len(truth) == 0:
        return Assignment(wanted, torch.zeros_like(boxes), torch.zeros_like(strides))
    overlap = box_iou(truth, boxes)
    alignment = scores[:, labels].T ** _SCORE_POWER * overlap**_OVERLAP_POWER
    # Grown to a stride at least, so that the smallest object holds some place's centre.
    centre, half = (truth[:, :2] + truth[:, 2:]) / 2, (truth[:, 2:] - truth[:, :2]) / 2
    reach = torch.maximum(half[:, None], strides.min().expand(1, 1, 2) * 0.75)
    inside = ((places[None] - centre[:, None]).abs() < reach).all(-1)
    alignment = torch.where(inside, alignment + 1e-9, 0.0)
    top = alignment.topk(min(_TOP, len(places)), dim=1)
    candidate = torch.zeros_like(inside)
    candidate.scatter_(1, top.indices, top.values > 0)
    # A place may learn one object only.
    owner = torch.where(candidate, overlap + 1e-9, 0.0).argmax(0)
    numbers = torch.arange(len(truth), device=truth.device)
    empty = ~(candidate & (owner == numbers[:, None])).any(1)
    owner[alignment.argmax(1)[empty]] = numbers[empty]
    candidate &= owner == numbers[:, None]
    alignment = torch.where(candidate, alignment, 0.0)
    # The best place of an object shall score as much as its box overlaps.
    best = alignment.amax(1, keepdim=True).clamp(min=1e-12)
    quality = alignment / best * torch.where(candidate, overlap, 0.0).amax(1, keepdim=True)
    hit = candidate.any(0)
    weights = torch.where(hit, quality.amax(0), 0.0)
    rows = hit.nonzero()[:, 0]
    wanted[rows, labels[owner[rows]]] = weights[rows]
    return Assignment(wanted, truth[owner], weights)
