"""Saliency of a class score: its gradient with respect to the pixels."""

import numpy as np
import torch
from numpy.typing import NDArray

from visus.models.inspection.subject import Subject


def score_saliency(subject: Subject, index: int) -> NDArray[np.float32]:
    """The magnitude of the gradient of a class score at each pixel (Simonyan et al. 2014).

    Args:
        subject: The network and the image; it has class scores.
        index: The class id.

    Returns:
        float32 (height, width), 0 to 1, relative to the 99th percentile; zeros if the score does
        not depend on the pixels, as where there is no detection.
    """
    images = subject.image.float().requires_grad_()
    score = subject.class_scores(images)[0, index]
    if not score.requires_grad:
        return np.zeros(subject.image.shape[2:], np.float32)
    (gradient,) = torch.autograd.grad(score, images)
    magnitude = gradient[0].abs().amax(0).cpu().numpy()
    scale = max(float(np.percentile(magnitude, 99)), 1e-12)
    return np.asarray(np.clip(magnitude / scale, 0, 1), np.float32)
