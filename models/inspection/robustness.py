"""What shifts, rotations, crops and noise do to a class score and to feature maps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from visus.models.backbones.summary import Layer
from visus.models.inspection.recording import record
from visus.models.inspection.subject import Subject

_SHIFTS = tuple(i / 28 for i in range(-4, 5))
"""Fractions of the image's width."""
_ANGLES = tuple(range(-60, 61, 15))
_CROPS = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
_NOISE = (0, 5, 10, 20, 40, 60, 80)
_MAX_SHIFT = 16
"""Pixels by which images are shifted at most to measure equivariance, and an eighth of them."""
_BATCH = 8


@dataclass(frozen=True, eq=False)
class Invariance:
    """The score of one class under a change of the image.

    Attributes:
        change: Name of the change.
        unit: What `amounts` are measured in.
        amounts: Amounts of the change.
        scores: Score of the class at each amount, 0 to 1.
        kept: Fraction of the amounts at which it is still the class of the largest score.
    """

    change: str
    unit: str
    amounts: tuple[float, ...]
    scores: tuple[float, ...]
    kept: float


@dataclass(frozen=True, eq=False)
class Equivariance:
    """How well the feature map of a shifted image is the shifted feature map.

    Attributes:
        layer: Name of the layer.
        jump: Pixels of the image between neighbouring values of the map.
        shifts: Horizontal shifts in pixels of the image.
        similarities: Cosine similarity for each shift, -1 to 1; 1 for exact equivariance.
    """

    layer: str
    jump: int
    shifts: tuple[int, ...]
    similarities: tuple[float, ...]


def shifted(image: NDArray[np.uint8], pixels: float) -> NDArray[np.uint8]:
    """The image shifted to the right, its border mirrored; shape (height, width, channels)."""
    return _warped(image, np.array([[1.0, 0.0, pixels], [0.0, 1.0, 0.0]]))


def rotated(image: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    """The image rotated counter-clockwise about its centre, its border mirrored."""
    height, width = image.shape[:2]
    centre = ((width - 1) / 2, (height - 1) / 2)
    return _warped(image, np.asarray(cv2.getRotationMatrix2D(centre, degrees, 1.0)))


def cropped(image: NDArray[np.uint8], side: float) -> NDArray[np.uint8]:
    """The centre of the image, this fraction of each side, enlarged to the image's size."""
    height, width = image.shape[:2]
    x, y = (width - 1) / 2 * (1 - 1 / side), (height - 1) / 2 * (1 - 1 / side)
    return _warped(image, np.array([[1 / side, 0.0, x], [0.0, 1 / side, y]]))


def noisy(image: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """The image with Gaussian noise of this standard deviation, on the scale 0 to 255."""
    noise = np.random.default_rng(0).normal(0, sigma, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


_Change = tuple[str, str, Sequence[float], Callable[[NDArray[np.uint8], float], NDArray[np.uint8]]]


def _changes(width: int) -> tuple[_Change, ...]:
    """Name, unit, amounts and function of each change for images of this width."""
    shifts = sorted({round(width * share) for share in _SHIFTS})
    return (
        ("shift", "pixels to the right", shifts, shifted),
        ("rotation", "degrees", _ANGLES, rotated),
        ("crop", "fraction of each side", _CROPS, cropped),
        ("noise", "standard deviation of 0 to 255", _NOISE, noisy),
    )


def measure_invariance(subject: Subject, index: int) -> list[Invariance]:
    """Scores of a class under each change.

    Args:
        subject: The network and the image; it has class scores.
        index: The class id.
    """
    image = _pixels(subject.image)
    changes = _changes(image.shape[1])
    amounts = [(i, amount) for i, change in enumerate(changes) for amount in change[2]]
    images = [changes[i][3](image, amount) for i, amount in amounts]
    scores = _scores(subject, images)
    found = []
    for i, (name, unit, values, _) in enumerate(changes):
        part = scores[[j for j, (change, _) in enumerate(amounts) if change == i]]
        kept = float((part.argmax(1) == index).mean())
        of_class = tuple(float(score) for score in part[:, index])
        found.append(Invariance(name, unit, tuple(map(float, values)), of_class, kept))
    return found


def measure_equivariance(subject: Subject, layers: Sequence[Layer]) -> list[Equivariance]:
    """Similarity of shifted feature maps and maps of the shifted image, away from the border.

    Args:
        subject: The network and the image.
        layers: Of `Subject.spatial_layers`, with a receptive field.
    """
    image = _pixels(subject.image)
    names = [layer.name for layer in layers]
    similarities: dict[str, list[float]] = {name: [] for name in names}
    still: dict[str, Tensor] = {}
    tried = tuple(range(min(_MAX_SHIFT, image.shape[1] // 8) + 1))
    for first in range(0, len(tried), _BATCH):
        shifts = tried[first : first + _BATCH]
        batch = _batch([shifted(image, shift) for shift in shifts])
        recorded = record(subject, names, batch)
        for layer in layers:
            maps = recorded[layer.name].output.float()
            still.setdefault(layer.name, maps[:1])
            jump = layer.field.jump[1] if layer.field else 1
            for shift, moved in zip(shifts, maps, strict=True):
                similarities[layer.name].append(_similarity(still[layer.name], moved, shift / jump))
    return [
        Equivariance(
            layer.name,
            layer.field.jump[1] if layer.field else 1,
            tried,
            tuple(similarities[layer.name]),
        )
        for layer in layers
    ]


def _similarity(still: Tensor, moved: Tensor, columns: float) -> float:
    """Cosine similarity of a map shifted by a number of columns and another map.

    The mean of each channel is subtracted first: positive maps are similar to one another even
    where they share no structure.
    """
    whole = int(np.ceil(columns))
    fraction = whole - columns
    width = still.shape[3]
    # Between two columns the shifted map is interpolated.
    source = still[0, :, :, : width - whole]
    following = F.pad(still[0], (0, 1), mode="replicate")[:, :, 1 : 1 + width - whole]
    expected = source * (1 - fraction) + following * fraction
    actual = moved[:, :, whole:]
    # Values at the borders depend on the padding.
    top, left = still.shape[2] // 8, width // 8
    inside = (slice(None), slice(top, still.shape[2] - top), slice(left, width - whole - left))
    a, b = (each - each.mean((1, 2), keepdim=True) for each in (expected[inside], actual[inside]))
    return float(F.cosine_similarity(a.flatten(), b.flatten(), 0))


def _scores(subject: Subject, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    parts = []
    with torch.inference_mode():
        for first in range(0, len(images), _BATCH):
            batch = _batch(images[first : first + _BATCH])
            parts.append(subject.class_scores(batch).double().cpu().numpy())
    return np.concatenate(parts)


def _pixels(image: Tensor) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image[0].permute(1, 2, 0).cpu().numpy(), np.uint8)


def _batch(images: Sequence[NDArray[np.uint8]]) -> Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


def _warped(image: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    height, width, channels = image.shape
    planes = [
        cv2.warpAffine(
            np.ascontiguousarray(image[:, :, c]),
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        for c in range(channels)
    ]
    return np.stack([np.asarray(plane, np.uint8) for plane in planes], axis=2)
