"""Procedural images of coloured shapes with ground truth: classes, boxes, masks and captions."""

import re
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.vision.images import Pixels

SHAPES = ("circle", "cross", "diamond", "ring", "square", "star", "triangle")
"""The class names of scenes, in the order of their ids."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "green": (46, 160, 67),
    "blue": (44, 92, 212),
    "yellow": (240, 200, 30),
    "purple": (140, 60, 170),
    "orange": (244, 130, 30),
    "white": (240, 240, 240),
    "black": (25, 25, 25),
}
"""The names and RGB values of the colours that objects have."""

_RELATIONS = {"left of": (0, 1), "right of": (0, -1), "above": (1, 1), "below": (1, -1)}
"""Relations of two shapes in captions: the axis, and the sign of the comparison."""

_EMPTY = "an empty ground"

_PHRASE = rf"an? (\w+) ({'|'.join(SHAPES)})"
_SENTENCE = re.compile(rf"{_PHRASE}(?: ({'|'.join(_RELATIONS)}|and) {_PHRASE})?")

_ATTEMPTS = 20
"""Random positions that are tried for a shape before it is left out."""


@dataclass(frozen=True, eq=False)
class SceneObject:
    """One shape in a scene.

    Attributes:
        shape: A name from `SHAPES`.
        colour: A name from `COLOURS`.
        box: (x1, y1, x2, y2) in pixels around its visible part, the far edges exclusive.
        mask: bool of shape (height, width), true for its visible pixels.
    """

    shape: str
    colour: str
    box: tuple[int, int, int, int]
    mask: NDArray[np.bool_]

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the box's centre in pixels."""
        x1, y1, x2, y2 = self.box
        return (x1 + x2) / 2, (y1 + y2) / 2


@dataclass(frozen=True, eq=False)
class Scene:
    """An image and the objects in it.

    Attributes:
        image: uint8 RGB of shape (height, width, 3).
        objects: The visible shapes, farthest first.
    """

    image: Pixels
    objects: tuple[SceneObject, ...]

    def class_mask(self) -> NDArray[np.uint8]:
        """Class ids of shape (height, width): 0 for background, 1 + the index in `SHAPES` else."""
        ids = np.zeros(self.image.shape[:2], np.uint8)
        for item in self.objects:
            ids[item.mask] = 1 + SHAPES.index(item.shape)
        return ids

    def is_true(self, caption: str) -> bool:
        """Whether a sentence in the form of `caption` is true of this scene.

        It is true if it holds for some shapes of the image; sentences of other forms are false.
        """
        match = _SENTENCE.fullmatch(caption)
        if match is None:
            return caption == _EMPTY and not self.objects
        colour, shape, relation, other_colour, other_shape = match.groups()
        firsts = [item for item in self.objects if (item.colour, item.shape) == (colour, shape)]
        if relation is None:
            return bool(firsts)
        others = [i for i in self.objects if (i.colour, i.shape) == (other_colour, other_shape)]
        pairs = [(a.centre, b.centre) for a in firsts for b in others if a is not b]
        if relation == "and":
            return bool(pairs)
        axis, sign = _RELATIONS[relation]
        return any(sign * a[axis] < sign * b[axis] for a, b in pairs)

    def caption(self) -> str:
        """A true sentence about the two largest shapes: "a red circle left of a blue square"."""
        if not self.objects:
            return _EMPTY
        largest = sorted(self.objects, key=lambda item: -int(item.mask.sum()))[:2]
        phrases = [f"{article(item.colour)} {item.colour} {item.shape}" for item in largest]
        if len(largest) == 1:
            return phrases[0]
        (x1, y1), (x2, y2) = (item.centre for item in largest)
        if (x1, y1) == (x2, y2):
            relation = "and"
        elif abs(x1 - x2) >= abs(y1 - y2):
            relation = "left of" if x1 < x2 else "right of"
        else:
            relation = "above" if y1 < y2 else "below"
        return f"{phrases[0]} {relation} {phrases[1]}"


def make_scene(
    seed: int,
    size: tuple[int, int] = (128, 128),
    objects: tuple[int, int] = (1, 4),
    min_extent: int = 12,
    max_fraction: float = 0.6,
    max_occlusion: float = 0.3,
) -> Scene:
    """Draw a scene; equal arguments give equal pixels.

    Args:
        seed: Seed of the random generator.
        size: (height, width) in pixels.
        objects: Minimum and maximum number of shapes; fewer if there is no room for one.
        min_extent: Minimum width and height of a shape in pixels.
        max_fraction: Maximum width and height as a fraction of the image's shorter side.
        max_occlusion: Fraction of a shape that others may cover, 0 to 1.

    Raises:
        ValueError: If the image is too small for shapes of that extent.
    """
    height, width = size
    largest = int(min(height, width) * max_fraction)
    if largest < min_extent:
        raise ValueError(f"a scene of {width} x {height} has no room for shapes of {min_extent} px")
    rng = np.random.default_rng(seed)
    image = textured_background(rng, height, width)
    owner = np.full((height, width), -1, np.int32)
    kinds: list[tuple[str, str]] = []
    required_pixels: list[float] = []
    for _ in range(int(rng.integers(objects[0], objects[1] + 1))):
        shape = SHAPES[rng.integers(len(SHAPES))]
        colour = list(COLOURS)[rng.integers(len(COLOURS))]
        for _ in range(_ATTEMPTS):
            extent = int(rng.integers(min_extent, largest + 1))
            centre = rng.uniform(extent / 2, (width - extent / 2, height - extent / 2))
            position = (float(centre[0]), float(centre[1]))
            angle = rng.uniform(-0.3, 0.3)
            window, alpha = shape_coverage(shape, size, position, extent, angle)
            covered = alpha > 0.5
            updated = owner.copy()
            updated[window][covered] = len(kinds)
            visible_pixels = np.bincount(updated[updated >= 0], minlength=len(kinds) + 1)
            if (visible_pixels[:-1] >= required_pixels).all():
                break
        else:
            continue
        shade = np.array(COLOURS[colour], np.float32) * rng.uniform(0.85, 1.1)
        image[window] += alpha[:, :, None] * (shade - image[window])
        owner = updated
        kinds.append((shape, colour))
        required_pixels.append((1 - max_occlusion) * int(covered.sum()))
    image += rng.normal(0, rng.uniform(2, 8), image.shape).astype(np.float32)
    visible = []
    for index, (shape, colour) in enumerate(kinds):
        mask = owner == index
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        visible.append(SceneObject(shape, colour, box, mask))
    return Scene(image.clip(0, 255).astype(np.uint8), tuple(visible))


def scene_images(count: int, size: tuple[int, int], channels: int = 3) -> list[Pixels]:
    """Images of different scenes, to try a model that takes any number of channels.

    Args:
        count: Number of images.
        size: (height, width) in pixels.
        channels: Of the model; grey ones take RGB too, and for others channels are repeated.

    Returns:
        uint8 of shape (height, width, 3 or channels).
    """
    order = np.arange(3 if channels in (1, 3) else channels) % 3
    scenes = (make_scene(seed, size).image for seed in range(count))
    return [np.ascontiguousarray(image[..., order]) for image in scenes]


def article(word: str) -> Literal["a", "an"]:
    """The indefinite article of a word."""
    return "an" if word[0] in "aeiou" else "a"


def textured_background(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """A textured background of muted colour: smooth noise at two scales."""
    image = np.empty((height, width, 3), np.float32)
    image[:] = rng.uniform(70, 185, 3)
    for cells, strength in ((4, 28), (16, 12)):
        noise = rng.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return image


def shape_coverage(
    shape: str, size: tuple[int, int], centre: tuple[float, float], extent: int, angle: float
) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
    """The window around a shape, and the coverage of each pixel in it, 0 to 1.

    Drawn at four times the size and averaged.

    Args:
        shape: A name from `SHAPES`.
        size: (height, width) of the image in pixels.
        centre: (x, y) in pixels; at least a part of the shape lies in the image.
        extent: Width and height in pixels.
        angle: Rotation in radians.
    """
    zoom = 4
    reach = extent / 2 + 2
    left, top = (max(0, int(value - reach)) for value in centre)
    right, bottom = (
        min(side, int(value + reach) + 1) for value, side in zip(centre, size[::-1], strict=True)
    )
    canvas = np.zeros(((bottom - top) * zoom, (right - left) * zoom), np.uint8)
    local_centre = np.array([centre[0] - left, centre[1] - top]) * zoom
    radius = extent / 2 * zoom
    if shape in {"circle", "ring"}:
        position = tuple(int(value) for value in local_centre)
        cv2.circle(canvas, position, int(radius), 255, -1)
        if shape == "ring":
            cv2.circle(canvas, position, int(radius * 0.55), 0, -1)
    else:
        corners = shape_outline(shape) * radius
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        cv2.fillPoly(canvas, [(corners @ rotation.T + local_centre).astype(np.int32)], 255)
    small = cv2.resize(canvas, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    alpha = np.asarray(small, np.float32) / np.float32(255)
    return (slice(top, bottom), slice(left, right)), alpha


def shape_outline(shape: str) -> NDArray[np.float64]:
    """Corners of a polygon inside the unit circle, shape (corners, 2)."""
    if shape == "cross":
        a, b = 0.95, 0.3
        corners = [(-b, -a), (b, -a), (b, -b), (a, -b), (a, b), (b, b)]
        return np.array(corners + [(-x, -y) for x, y in corners])
    if shape == "diamond":
        return np.array([(0, -1), (0.62, 0), (0, 1), (-0.62, 0)])
    if shape == "square":
        return np.array([(-0.75, -0.75), (0.75, -0.75), (0.75, 0.75), (-0.75, 0.75)])
    points = 10 if shape == "star" else 3
    angles = np.arange(points) * 2 * np.pi / points - np.pi / 2
    radii = np.where(np.arange(points) % 2, 0.42, 1.0) if shape == "star" else np.ones(points)
    return np.stack([np.cos(angles) * radii, np.sin(angles) * radii], axis=1)
