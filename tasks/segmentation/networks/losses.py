"""The losses of segmenters: cross-entropy, focal loss, Dice loss."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from visus.vision.masks import IGNORE

_FOCAL_GAMMA = 2.0


def cross_entropy(logits: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    """Mean cross-entropy of the labelled pixels; 0 without any.

    Args:
        logits: float of shape (batch, classes, height, width).
        target: Class ids, int64 of shape (batch, height, width), `IGNORE` for unlabelled pixels.
        weights: Weight of each class, float of shape (classes,); None for equal weights.
    """
    losses = F.cross_entropy(logits, target, weights, ignore_index=IGNORE, reduction="sum")
    return losses / _total_weight(target, weights)


def focal(logits: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    """Cross-entropy in which well-classified pixels have little weight.

    Lin et al. 2017, "Focal Loss for Dense Object Detection", with a softmax and gamma 2.

    Args:
        logits: See `cross_entropy`.
        target: See `cross_entropy`.
        weights: See `cross_entropy`.
    """
    losses = F.cross_entropy(logits, target, weights, ignore_index=IGNORE, reduction="none")
    with torch.no_grad():
        plain = F.cross_entropy(logits, target, ignore_index=IGNORE, reduction="none")
        modulation = (1 - torch.exp(-plain)) ** _FOCAL_GAMMA
    return (modulation * losses).sum() / _total_weight(target, weights)


def dice(logits: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    """One minus the mean Dice coefficient of the classes in the batch.

    Milletari, Navab and Ahmadi 2016, "V-Net: Fully Convolutional Neural Networks for Volumetric
    Medical Image Segmentation", for several classes.

    Args:
        logits: See `cross_entropy`.
        target: See `cross_entropy`.
        weights: Not used: all classes have equal weight, however rare.
    """
    labelled = target != IGNORE
    ids = target.where(labelled, 0)
    scores = logits.softmax(1) * labelled[:, None]
    correct = scores.gather(1, ids[:, None])[:, 0]
    overlap = correct.new_zeros(logits.shape[1]).index_add(0, ids.flatten(), correct.flatten())
    pixels = torch.bincount(ids[labelled], minlength=logits.shape[1])
    losses = 1 - (2 * overlap + 1) / (scores.sum((0, 2, 3)) + pixels + 1)
    present = pixels > 0
    return (losses * present).sum() / present.sum().clamp(min=1)


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor | None], Tensor]] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "dice": dice,
}


def segmentation_losses(
    logits: Tensor, target: Tensor, factors: Mapping[str, float], weights: Tensor | None
) -> dict[str, Tensor]:
    """The named losses, each times its factor; the training loss is their sum.

    Args:
        logits: float of shape (batch, classes, rows, columns), of any resolution.
        target: Class ids, uint8 of shape (batch, height, width), `IGNORE` for unlabelled pixels.
        factors: By the loss's name, see `LOSSES`.
        weights: Weight of each class, float of shape (classes,); None for equal weights.
    """
    # Planes: the losses would copy channels-last memory of the full size, forward and backward.
    planes = logits.float().contiguous()
    resized = F.interpolate(planes, size=target.shape[-2:], mode="bilinear")
    ids = target.long()
    return {name: factor * LOSSES[name](resized, ids, weights) for name, factor in factors.items()}


def balanced_class_weights(counts: Sequence[int]) -> Tensor:
    """Class weights that decrease with a class's frequency, some fifty times at most.

    Paszke et al. 2016, "ENet: A Deep Neural Network Architecture for Real-Time Semantic
    Segmentation": 1 / log(1.02 + frequency), scaled to a mean of 1 over the pixels.

    Args:
        counts: Training pixels of each class.

    Returns:
        float32 of shape (classes,).
    """
    frequencies = torch.tensor(counts, dtype=torch.float32) / max(1, sum(counts))
    weights = 1 / torch.log(1.02 + frequencies)
    return weights / (weights * frequencies).sum().clamp(min=1e-6)


def _total_weight(target: Tensor, weights: Tensor | None) -> Tensor:
    """The summed weights of the labelled pixels, 1 at least."""
    labelled = target[target != IGNORE]
    total = labelled.numel() if weights is None else weights[labelled].sum()
    return torch.as_tensor(total, dtype=torch.float32, device=target.device).clamp(min=1)
