"""What every detector takes for training and gives back."""

from collections.abc import Sequence

import torch
from torch import Tensor

SCORE_THRESHOLD = 0.01
"""Detections below this score are left out; applications show fewer still."""

MAX_DETECTIONS = 100
"""Most detections in an image, COCO's limit."""

Targets = list[dict[str, Tensor]]
"""A dictionary an image: `boxes` float (N, 4) as (x1, y1, x2, y2) in pixels of the input, `labels`
int64 (N,) from 0, and `masks` uint8 (N, height, width) where masks are learnt."""

Outputs = tuple[Tensor, ...]
"""`boxes` float (batch, N, 4) in pixels of the input, `scores` float (batch, N) from 0 to 1, best
first, `labels` int64 (batch, N) from 0, and with masks `masks` float (batch, N, 28, 28) from 0 to 1
within the box. N is the most in any image; what fills up the others has score 0."""


def pad_detections(found: Sequence[dict[str, Tensor]]) -> Outputs:
    """Stack what was found in each image (`boxes`, `scores`, `labels`, perhaps `masks`)."""
    keys = [key for key in ("boxes", "scores", "labels", "masks") if key in found[0]]
    columns = [[image[key] for image in found] for key in keys]
    if "masks" in keys:
        columns[-1] = [masks[:, 0] for masks in columns[-1]]
    if len(found) == 1:
        # No padding, which keeps the number of detections open in an exported file.
        return tuple(column[0].unsqueeze(0) for column in columns)
    return tuple(torch.nn.utils.rnn.pad_sequence(column, batch_first=True) for column in columns)
