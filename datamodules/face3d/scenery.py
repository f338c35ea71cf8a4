"""What photographs have around, over and between a face and its pixels: clutter, hair, noise."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.float32]
"""An image of shape (height, width, 3), RGB from 0 to 1."""

Random = np.random.Generator

_STARTS = 1 << 20
"""Places where an image's grain may start in the noise that all of them share."""


def ground(rng: Random, size: tuple[int, int]) -> Canvas:
    """A background: smooth noise at two scales, often with shapes on it."""
    height, width = size
    coarse = _muted(rng) + _noise(rng, 3, 0.2)
    fine = _noise(rng, int(rng.integers(6, 24)), 0.1)
    grown = [cv2.resize(noise, (width, height)) for noise in (coarse, fine)]
    image = np.asarray(grown[0] + grown[1], np.float32)
    for _ in range(int(rng.integers(0, 7))):
        _shape(image, rng)
    return image


def hair_behind(
    image: Canvas,
    rng: Random,
    colour: NDArray[np.float32],
    centre: tuple[float, float],
    reach: float,
) -> None:
    """Hair around a head, perhaps down to the shoulders, drawn before the head is.

    Args:
        image: Changed in place.
        rng: Chooses.
        colour: RGB, 0 to 1.
        centre: Of the skull, (x, y) in pixels.
        reach: From there to the top of the skull in pixels.
    """
    wide = reach * rng.uniform(0.95, 1.35)
    high = reach * rng.uniform(1.0, 1.35)
    x, y = int(centre[0]), int(centre[1])
    shade = _plain(colour)
    cv2.ellipse(image, (x, y), (int(wide), int(high)), 0, 0, 360, shade, -1)
    if rng.random() < 0.4:
        length = int(reach * rng.uniform(1.0, 2.6))
        cv2.rectangle(image, (x - int(wide), y), (x + int(wide), y + length), shade, -1)
    for _ in range(25):
        start = (x + int(rng.normal(0, wide * 0.7)), y - int(rng.uniform(-1, 1) * high))
        end = (start[0] + int(rng.normal(0, 5)), start[1] + int(rng.uniform(5, 30)))
        cv2.line(image, start, end, _plain(colour * rng.uniform(0.6, 1.5)), 1, cv2.LINE_AA)


def occlude(
    image: Canvas, rng: Random, skin: NDArray[np.float32], eyes: NDArray[np.float32]
) -> None:
    """Now and then glasses, a fringe, a hand or a thing before the face.

    Args:
        image: Changed in place.
        rng: Chooses.
        skin: RGB of the skin, 0 to 1.
        eyes: Their middles, shape (2, 2), (x, y) in pixels.
    """
    height, width = image.shape[:2]
    if rng.random() < 0.12:
        _glasses(image, rng, eyes)
    if rng.random() < 0.1:
        colour = rng.uniform(0, 0.5, 3).astype(np.float32)
        top = float(eyes[:, 1].mean())
        for _ in range(40):
            x = rng.uniform(0, width)
            end = (int(x + rng.normal(0, 8)), int(top - rng.uniform(0.05, 0.3) * height))
            cv2.line(image, (int(x), 0), end, _plain(colour * rng.uniform(0.6, 1.4)), 2)
    if rng.random() < 0.2:
        colour = skin if rng.random() < 0.4 else rng.uniform(0, 1, 3).astype(np.float32)
        edge = rng.uniform(0, 2 * np.pi)
        middle = np.array([width, height]) * (0.5 + rng.uniform(0.3, 0.6) * np.array(
            [np.cos(edge), np.sin(edge)]))  # fmt: skip
        axes = (int(rng.uniform(0.06, 0.25) * width), int(rng.uniform(0.06, 0.3) * height))
        place = (int(middle[0]), int(middle[1]))
        cv2.ellipse(image, place, axes, rng.uniform(0, 180), 0, 360, _plain(colour), -1)


def photograph(image: Canvas, rng: Random) -> NDArray[np.uint8]:
    """What a camera makes of it: exposure, tint, blur, noise, compression.

    Args:
        image: RGB about 0 to 1.
        rng: Chooses.

    Returns:
        uint8 RGB of the same size.
    """
    gain = rng.uniform(0.75, 1.25) * rng.uniform(0.95, 1.05, 3)
    contrast = rng.uniform(0.75, 1.2)
    # Each channel times its gain, then all of them away from or towards a middle grey.
    curve = np.column_stack([np.diag(gain * contrast), np.full(3, 0.45 * (1 - contrast))])
    image = np.asarray(cv2.transform(np.clip(image, 0, 1.3), curve), np.float32)
    if rng.random() < 0.1:
        image[:] = image.mean(2, keepdims=True)
    draw = rng.random()
    if draw < 0.35:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6)), np.float32)
    elif draw < 0.5:
        height, width = image.shape[:2]
        share = rng.uniform(0.3, 0.8)
        small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        grown = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
        image = np.asarray(grown, np.float32)
    if rng.random() < 0.6:
        strength = np.float32(rng.uniform(0, 0.04))
        first = int(rng.integers(_STARTS))
        grain = _grain(image.size)[first : first + image.size]
        image = image + strength * grain.reshape(image.shape)
    pixels = (np.clip(image, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))]
        pixels = np.asarray(cv2.imdecode(cv2.imencode(".jpg", pixels, quality)[1], 1), np.uint8)
    return pixels


def _noise(rng: Random, cells: int, strength: float) -> Canvas:
    """Brightness and a little colour, one value a cell."""
    bright = rng.normal(0, strength, (cells, cells, 1))
    tint = rng.normal(0, 0.04, (cells, cells, 3))
    return np.asarray(bright + tint, np.float32)


@cache
def _grain(size: int) -> NDArray[np.float32]:
    """Noise of which images take a stretch each: to draw it anew would take as long as a head."""
    return np.random.default_rng(0).standard_normal(size + _STARTS, np.float32)


def _shape(image: Canvas, rng: Random) -> None:
    height, width = image.shape[:2]
    colour = _plain(_muted(rng))
    x, y = int(rng.uniform(0, width)), int(rng.uniform(0, height))
    w, h = int(rng.uniform(2, width / 2)), int(rng.uniform(2, height / 2))
    kind = rng.integers(3)
    if kind == 0:
        cv2.rectangle(image, (x, y), (x + w, y + h), colour, -1)
    elif kind == 1:
        cv2.ellipse(
            image, (x, y), (w // 2 + 1, h // 2 + 1), rng.uniform(0, 180), 0, 360, colour, -1
        )
    else:
        cv2.line(image, (x, y), (x + w - width // 4, y + h), colour, int(rng.integers(1, 8)))


def _muted(rng: Random) -> NDArray[np.float32]:
    """A colour as most things have: not far from grey."""
    colour = rng.uniform(0, 1) + rng.normal(0, 0.12, 3)
    return np.asarray(np.clip(colour, 0, 1), np.float32)


def _glasses(image: Canvas, rng: Random, eyes: NDArray[np.float32]) -> None:
    colour = _plain(rng.uniform(0, 0.6, 3))
    radius = max(2, int(np.linalg.norm(eyes[1] - eyes[0]) * rng.uniform(0.3, 0.42)))
    thick = int(rng.integers(1, 3))
    dark = rng.random() < 0.25
    for x, y in eyes:
        cv2.circle(image, (int(x), int(y)), radius, colour, -1 if dark else thick, cv2.LINE_AA)
    bridge = [tuple(map(int, point)) for point in eyes]
    cv2.line(image, bridge[0], bridge[1], colour, thick, cv2.LINE_AA)


def _plain(colour: NDArray[np.floating]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in colour)
    return red, green, blue
