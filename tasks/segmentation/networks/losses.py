"""What a segmenter is trained to make small: cross-entropy, focal loss, Dice loss."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from visus.vision.masks import IGNORE

_FOCUS = 2.0


def cross_entropy(logits: Tensor, truth: Tensor, weights: Tensor | None) -> Tensor:
    """Mean cross-entropy of the labelled pixels; 0 where none is.

    Args:
        logits: float of shape (batch, classes, height, width).
        truth: int64 of shape (batch, height, width), `IGNORE` where there is none.
        weights: float of shape (classes,): how much a pixel of each class counts.
    """
    losses = F.cross_entropy(logits, truth, weights, ignore_index=IGNORE, reduction="sum")
    return losses / _weight_of(truth, weights)


def focal(logits: Tensor, truth: Tensor, weights: Tensor | None) -> Tensor:
    """Cross-entropy in which pixels that are right already count little; arguments as there.

    Lin et al. 2017, "Focal Loss for Dense Object Detection", with a softmax and gamma 2.
    """
    losses = F.cross_entropy(logits, truth, weights, ignore_index=IGNORE, reduction="none")
    with torch.no_grad():
        plain = F.cross_entropy(logits, truth, ignore_index=IGNORE, reduction="none")
        doubt = 1 - torch.exp(-plain)
    return (doubt**_FOCUS * losses).sum() / _weight_of(truth, weights)


def dice(logits: Tensor, truth: Tensor, weights: Tensor | None) -> Tensor:
    """One minus the mean Dice overlap of the classes in the batch; arguments as above.

    The weights play no part: rare classes count as much as others already.

    Milletari, Navab and Ahmadi 2016, "V-Net: Fully Convolutional Neural Networks for Volumetric
    Medical Image Segmentation", over several classes.
    """
    labelled = truth != IGNORE
    ids = truth.where(labelled, 0)
    shares = logits.softmax(1) * labelled[:, None]
    right = shares.gather(1, ids[:, None])[:, 0]
    overlap = right.new_zeros(logits.shape[1]).index_add(0, ids.flatten(), right.flatten())
    pixels = torch.bincount(ids[labelled], minlength=logits.shape[1])
    missed = 1 - (2 * overlap + 1) / (shares.sum((0, 2, 3)) + pixels + 1)
    present = pixels > 0
    return (missed * present).sum() / present.sum().clamp(min=1)


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor | None], Tensor]] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "dice": dice,
}


def segmentation_losses(
    logits: Tensor, truth: Tensor, shares: Mapping[str, float], weights: Tensor | None
) -> dict[str, Tensor]:
    """The named losses, each times its share; their sum is what is learnt from.

    Args:
        logits: float of shape (batch, classes, rows, columns), of any resolution.
        truth: Class ids, uint8 of shape (batch, height, width), `IGNORE` where there is none.
        shares: By name, see `LOSSES`.
        weights: float of shape (classes,): how much each class counts; None for equally.
    """
    sized = F.interpolate(logits.float(), size=truth.shape[-2:], mode="bilinear")
    ids = truth.long()
    return {name: share * LOSSES[name](sized, ids, weights) for name, share in shares.items()}


def balancing_weights(counts: list[int]) -> Tensor:
    """How much a pixel of each class shall count: rare classes more, by at most some fifty times.

    Paszke et al. 2016, "ENet: A Deep Neural Network Architecture for Real-Time Semantic
    Segmentation": 1 / log(1.02 + share); scaled so that the mean over pixels is 1.

    Args:
        counts: Pixels of each class in the training data.

    Returns:
        float32 of shape (classes,).
    """
    shares = torch.tensor(counts, dtype=torch.float32) / max(1, sum(counts))
    weights = 1 / torch.log(1.02 + shares)
    return weights / (weights * shares).sum().clamp(min=1e-6)


def _weight_of(truth: Tensor, weights: Tensor | None) -> Tensor:
    """The summed weight of the labelled pixels, never zero."""
    labelled = truth[truth != IGNORE]
    total = labelled.numel() if weights is None else weights[labelled].sum()
    return torch.as_tensor(total, dtype=torch.float32, device=truth.device).clamp(min=1)
