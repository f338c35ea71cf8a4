"""Common corruptions of images in five severities, after ImageNet-C.

Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", arXiv:1903.12261. The strengths are theirs, for images of 224 pixels; lengths in
pixels grow with the image.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.vision.images import Pixels

SEVERITIES = (1, 2, 3, 4, 5)

_SIDE = 224
_Floats = NDArray[np.float32]


def corrupt(image: Pixels, name: str, severity: int, seed: int = 0) -> Pixels:
    """A corrupted copy of an image.

    Args:
        image: uint8 of shape (height, width, channels).
        name: One of `CORRUPTIONS`.
        severity: 1 to 5.
        seed: Of the noise.

    Raises:
        ValueError: If the name or the severity is unknown.
    """
    if name not in CORRUPTIONS or severity not in SEVERITIES:
        raise ValueError(f"corruption {name!r} of severity {severity} is unknown")
    function, strengths = CORRUPTIONS[name]
    rng = np.random.default_rng(seed)
    values = function(_unit(image), strengths[severity - 1], rng)
    rounded = np.clip(values * 255, 0, 255).round().astype(np.uint8)
    return np.ascontiguousarray(rounded.reshape(image.shape))


def _unit(pixels: NDArray[np.uint8]) -> _Floats:
    """Pixels on the scale of 0 to 1."""
    return np.asarray(pixels, np.float32) / np.float32(255)


def _noise(image: _Floats, deviation: float, rng: np.random.Generator) -> _Floats:
    """Gaussian noise of a standard deviation."""
    noise = rng.standard_normal(image.shape, np.float32)
    return np.asarray(image + deviation * noise, np.float32)


def _blur(image: _Floats, sigma: float, rng: np.random.Generator) -> _Floats:
    """Gaussian blur."""
    sigma *= min(image.shape[:2]) / _SIDE
    # A kernel of less than a pixel would change nothing.
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(sigma, 0.3)), np.float32)


def _jpeg(image: _Floats, quality: float, rng: np.random.Generator) -> _Floats:
    """Compression as JPEG; channels beyond three are compressed one by one."""
    pixels = np.clip(image * 255, 0, 255).round().astype(np.uint8)
    parts = [pixels] if pixels.shape[2] in (1, 3) else np.split(pixels, pixels.shape[2], 2)
    decoded = []
    for part in parts:
        encoded = cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
        pixels = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED), np.uint8)
        decoded.append(pixels.reshape(part.shape))
    return _unit(np.concatenate(decoded, 2))


def _fog(image: _Floats, thickness: float, rng: np.random.Generator) -> _Floats:
    """A layer of fog: noise of several scales, brighter than the image."""
    height, width = image.shape[:2]
    layer = np.zeros((height, width), np.float32)
    for octave in range(1, 6):
        cells = rng.random((2**octave, 2**octave), np.float32)
        smooth = cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)
        layer += np.asarray(smooth, np.float32) * 0.5**octave
    layer = (layer - layer.min()) / max(float(np.ptp(layer)), 1e-6)
    peak = float(image.max())
    fogged = (image + thickness * layer[:, :, None]) * peak / (peak + thickness)
    return np.asarray(fogged, np.float32)


def _brightness(image: _Floats, amount: float, rng: np.random.Generator) -> _Floats:
    """More light."""
    return np.asarray(image + amount, np.float32)


def _contrast(image: _Floats, factor: float, rng: np.random.Generator) -> _Floats:
    """Less distance to the mean of each channel."""
    mean = image.mean((0, 1), keepdims=True)
    return np.asarray((image - mean) * factor + mean, np.float32)


def _pixelate(image: _Floats, scale: float, rng: np.random.Generator) -> _Floats:
    """Fewer pixels, enlarged again."""
    height, width = image.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    channels = []
    # OpenCV supports four channels at most.
    for plane in np.moveaxis(image, 2, 0):
        small = cv2.resize(np.ascontiguousarray(plane), size, interpolation=cv2.INTER_AREA)
        channels.append(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST))
    return np.asarray(np.stack(channels, 2), np.float32)


CORRUPTIONS: Mapping[
    str, tuple[Callable[[_Floats, float, np.random.Generator], _Floats], tuple[float, ...]]
] = MappingProxyType(
    {
        "noise": (_noise, (0.08, 0.12, 0.18, 0.26, 0.38)),
        "blur": (_blur, (1.0, 2.0, 3.0, 4.0, 6.0)),
        "jpeg": (_jpeg, (25, 18, 15, 10, 7)),
        "fog": (_fog, (1.5, 2.0, 2.5, 3.0, 3.5)),
        "brightness": (_brightness, (0.1, 0.2, 0.3, 0.4, 0.5)),
        "contrast": (_contrast, (0.4, 0.3, 0.2, 0.1, 0.05)),
        "pixelation": (_pixelate, (0.6, 0.5, 0.4, 0.3, 0.25)),
    }
)
"""The function and the five strengths of each corruption."""
