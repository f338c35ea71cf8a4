"""The training targets and outputs of all detectors, and their limits."""

from collections.abc import Sequence

import torch
from torch import Tensor

SCORE_THRESHOLD = 0.01
"""Detections with a lower score are discarded; applications show those from a higher score up."""

MAX_DETECTIONS = 100
"""Maximum number of detections per image, COCO's limit."""

Targets = list[dict[str, Tensor]]
"""One dictionary per image: `boxes` float (N, 4) as (x1, y1, x2, y2) in pixels of the input,
`labels` int64 (N,) from 0, and for detectors of masks `masks` uint8 (N, height, width)."""

Outputs = tuple[Tensor, ...]
"""`boxes` float (batch, N, 4) in pixels of the input; `scores` float (batch, N) from 0 to 1, in
descending order; `labels` int64 (batch, N) from 0; and with masks `masks` float (batch, N, 28, 28)
from 0 to 1 within the box. N is the largest number of detections in any image; the others are
padded with score 0."""


def pad_detections(detections: Sequence[dict[str, Tensor]]) -> Outputs:
    """Stack the detections of several images.

    Args:
        detections: One dictionary per image: `boxes`, `scores`, `labels`, optionally `masks` of
            shape (N, 1, 28, 28).
    """
    keys = [key for key in ("boxes", "scores", "labels", "masks") if key in detections[0]]
    columns = [[image[key] for image in detections] for key in keys]
    if "masks" in keys:
        columns[-1] = [masks[:, 0] for masks in columns[-1]]
    if len(detections) == 1:
        # Without padding the number of detections stays dynamic in an exported file.
        return tuple(column[0].unsqueeze(0) for column in columns)
    return tuple(torch.nn.utils.rnn.pad_sequence(column, batch_first=True) for column in columns)
