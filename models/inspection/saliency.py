"""Saliency of a class score: its gradient with respect to the pixels."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
    return saliency(lambda images: subject.class_scores(images)[0, index], subject.image)


def saliency(score: Callable[[Tensor], Tensor], image: Tensor) -> NDArray[np.float32]:
    """The magnitude of the gradient of a score at each pixel (Simonyan et al. 2014).

    Args:
        score: From float images of shape (1, channels, height, width) to a score.
        image: uint8 of that shape.

    Returns:
        float32 (height, width), 0 to 1, relative to the 99th percentile: beside a few outliers all
        other pixels would be black. Zeros if the score does not depend on the pixels.
    """
    values = image.float().requires_grad_()
    result = score(values)
    if not result.requires_grad:
        return np.zeros(image.shape[2:], np.float32)
    (gradient,) = torch.autograd.grad(result, values)
    magnitude = gradient[0].abs().amax(0).cpu().numpy()
    scale = max(float(np.percentile(magnitude, 99)), 1e-12)
    return np.asarray(np.clip(magnitude / scale, 0, 1), np.float32)
