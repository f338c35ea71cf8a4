"""Backgrounds, hair, occluders and camera effects of rendered faces."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.float32]
"""An image of shape (height, width, 3), RGB from 0 to 1."""

Random = np.random.Generator

_NOISE_OFFSETS = 1 << 20
"""Number of offsets at which an image's noise may start in the shared noise."""


def draw_background(rng: Random, size: tuple[int, int]) -> Canvas:
    """A background of smooth noise at two scales, often with shapes on it."""
    height, width = size
    coarse = _muted_colour(rng) + _noise(rng, 3, 0.2)
    fine = _noise(rng, int(rng.integers(6, 24)), 0.1)
    layers = [cv2.resize(noise, (width, height)) for noise in (coarse, fine)]
    image = np.asarray(layers[0] + layers[1], np.float32)
    for _ in range(int(rng.integers(0, 7))):
        _draw_shape(image, rng)
    return image


def draw_hair(
    image: Canvas,
    rng: Random,
    colour: NDArray[np.float32],
    centre: tuple[float, float],
    radius: float,
) -> None:
    """Hair behind a head, sometimes down to the shoulders; drawn before the head.

    Args:
        image: Changed in place.
        rng: Source of randomness.
        colour: RGB, 0 to 1.
        centre: Centre of the skull, (x, y) in pixels.
        radius: From the centre to the top of the skull in pixels.
    """
    half_width = radius * rng.uniform(0.95, 1.35)
    half_height = radius * rng.uniform(1.0, 1.35)
    x, y = int(centre[0]), int(centre[1])
    plain = _plain(colour)
    cv2.ellipse(image, (x, y), (int(half_width), int(half_height)), 0, 0, 360, plain, -1)
    if rng.random() < 0.4:
        length = int(radius * rng.uniform(1.0, 2.6))
        left, right = x - int(half_width), x + int(half_width)
        cv2.rectangle(image, (left, y), (right, y + length), plain, -1)
    for _ in range(25):
        start = (
            x + int(rng.normal(0, half_width * 0.7)),
            y - int(rng.uniform(-1, 1) * half_height),
        )
        end = (start[0] + int(rng.normal(0, 5)), start[1] + int(rng.uniform(5, 30)))
        cv2.line(image, start, end, _plain(colour * rng.uniform(0.6, 1.5)), 1, cv2.LINE_AA)


def draw_occluders(
    image: Canvas, rng: Random, skin: NDArray[np.float32], eyes: NDArray[np.float32]
) -> None:
    """Glasses, a fringe, a hand or another object in front of some faces.

    Args:
        image: Changed in place.
        rng: Source of randomness.
        skin: RGB of the skin, 0 to 1.
        eyes: Centres of the eyes, shape (2, 2), (x, y) in pixels.
    """
    height, width = image.shape[:2]
    if rng.random() < 0.12:
        _draw_glasses(image, rng, eyes)
    if rng.random() < 0.1:
        colour = rng.uniform(0, 0.5, 3).astype(np.float32)
        top = float(eyes[:, 1].mean())
        for _ in range(40):
            x = rng.uniform(0, width)
            end = (int(x + rng.normal(0, 8)), int(top - rng.uniform(0.05, 0.3) * height))
            cv2.line(image, (int(x), 0), end, _plain(colour * rng.uniform(0.6, 1.4)), 2)
    if rng.random() < 0.2:
        colour = skin if rng.random() < 0.4 else rng.uniform(0, 1, 3).astype(np.float32)
        angle = rng.uniform(0, 2 * np.pi)
        direction = np.array([np.cos(angle), np.sin(angle)])
        centre = np.array([width, height]) * (0.5 + rng.uniform(0.3, 0.6) * direction)
        axes = (int(rng.uniform(0.06, 0.25) * width), int(rng.uniform(0.06, 0.3) * height))
        position = (int(centre[0]), int(centre[1]))
        cv2.ellipse(image, position, axes, rng.uniform(0, 180), 0, 360, _plain(colour), -1)


def simulate_camera(image: Canvas, rng: Random) -> NDArray[np.uint8]:
    """Effects of a camera: exposure, tint, blur, noise, compression.

    Args:
        image: RGB, about 0 to 1.
        rng: Source of randomness.

    Returns:
        uint8 RGB of the same size.
    """
    gain = rng.uniform(0.75, 1.25) * rng.uniform(0.95, 1.05, 3)
    contrast = rng.uniform(0.75, 1.2)
    # A gain for each channel, and contrast around a medium grey.
    curve = np.column_stack([np.diag(gain * contrast), np.full(3, 0.45 * (1 - contrast))])
    image = np.asarray(cv2.transform(np.clip(image, 0, 1.3), curve), np.float32)
    if rng.random() < 0.1:
        image[:] = image.mean(2, keepdims=True)
    draw = rng.random()
    if draw < 0.35:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6)), np.float32)
    elif draw < 0.5:
        height, width = image.shape[:2]
        scale = rng.uniform(0.3, 0.8)
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        enlarged = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
        image = np.asarray(enlarged, np.float32)
    if rng.random() < 0.6:
        strength = np.float32(rng.uniform(0, 0.04))
        first = int(rng.integers(_NOISE_OFFSETS))
        noise = _shared_noise(image.size)[first : first + image.size]
        image = image + strength * noise.reshape(image.shape)
    pixels = (np.clip(image, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))]
        pixels = np.asarray(cv2.imdecode(cv2.imencode(".jpg", pixels, quality)[1], 1), np.uint8)
    return pixels


def _noise(rng: Random, cells: int, strength: float) -> Canvas:
    """Random brightness with a slight tint, one value for each of cells x cells."""
    bright = rng.normal(0, strength, (cells, cells, 1))
    tint = rng.normal(0, 0.04, (cells, cells, 3))
    return np.asarray(bright + tint, np.float32)


@cache
def _shared_noise(size: int) -> NDArray[np.float32]:
    """Noise of which each image takes a slice: sampling it takes as long as rendering a head."""
    return np.random.default_rng(0).standard_normal(size + _NOISE_OFFSETS, np.float32)


def _draw_shape(image: Canvas, rng: Random) -> None:
    height, width = image.shape[:2]
    colour = _plain(_muted_colour(rng))
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


def _muted_colour(rng: Random) -> NDArray[np.float32]:
    """A random colour of low saturation."""
    colour = rng.uniform(0, 1) + rng.normal(0, 0.12, 3)
    return np.asarray(np.clip(colour, 0, 1), np.float32)


def _draw_glasses(image: Canvas, rng: Random, eyes: NDArray[np.float32]) -> None:
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
