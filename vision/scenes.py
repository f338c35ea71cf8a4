"""Procedural images of coloured shapes, with their truth: endless, seeded, nothing to download.

Every task can be tried and tested on them: a scene knows its classes, boxes, masks and a caption.
"""

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

_PLACES = {"left of": (0, 1), "right of": (0, -1), "above": (1, 1), "below": (1, -1)}
"""What captions call the place of one shape by another: the axis, and the sign towards less."""

_EMPTY = "an empty ground"

_SENTENCE = re.compile(
    rf"an? (\w+) ({'|'.join(SHAPES)})(?: ({'|'.join(_PLACES)}|and) an? (\w+) ({'|'.join(SHAPES)}))?"
)

_ATTEMPTS = 20
"""How often a place is sought for a shape before the scene does without it."""


@dataclass(frozen=True, eq=False)
class SceneObject:
    """One shape in a scene.

    Attributes:
        shape: A name from `SHAPES`.
        colour: A name from `COLOURS`.
        box: (x1, y1, x2, y2) in pixels around what is visible of it, the far edges exclusive.
        mask: bool of shape (height, width): its visible pixels.
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
    """An image and what is in it.

    Attributes:
        image: uint8 RGB of shape (height, width, 3).
        objects: The visible shapes, farthest first.
    """

    image: Pixels
    objects: tuple[SceneObject, ...]

    def class_mask(self) -> NDArray[np.uint8]:
        """Class ids by pixel, shape (height, width): 0 is the ground, 1 + the index in `SHAPES`."""
        ids = np.zeros(self.image.shape[:2], np.uint8)
        for item in self.objects:
            ids[item.mask] = 1 + SHAPES.index(item.shape)
        return ids

    def is_true(self, caption: str) -> bool:
        """Whether a sentence of the form that `caption` writes is true of this scene.

        It is true if some shapes of the image are as it says; other sentences are not.
        """
        found = _SENTENCE.fullmatch(caption)
        if found is None:
            return caption == _EMPTY and not self.objects
        colour, shape, place, other_colour, other_shape = found.groups()
        firsts = [item for item in self.objects if (item.colour, item.shape) == (colour, shape)]
        if place is None:
            return bool(firsts)
        others = [i for i in self.objects if (i.colour, i.shape) == (other_colour, other_shape)]
        pairs = [(a.centre, b.centre) for a in firsts for b in others if a is not b]
        if place == "and":
            return bool(pairs)
        axis, sign = _PLACES[place]
        return any(sign * a[axis] < sign * b[axis] for a, b in pairs)

    def caption(self) -> str:
        """A true sentence about the two largest shapes: "a red circle left of a blue square"."""
        if not self.objects:
            return _EMPTY
        largest = sorted(self.objects, key=lambda item: -int(item.mask.sum()))[:2]
        phrases = [f"{_article(item.colour)} {item.colour} {item.shape}" for item in largest]
        if len(largest) == 1:
            return phrases[0]
        (x1, y1), (x2, y2) = (item.centre for item in largest)
        if (x1, y1) == (x2, y2):
            place = "and"
        elif abs(x1 - x2) >= abs(y1 - y2):
            place = "left of" if x1 < x2 else "right of"
        else:
            place = "above" if y1 < y2 else "below"
        return f"{phrases[0]} {place} {phrases[1]}"


def make_scene(
    seed: int,
    size: tuple[int, int] = (128, 128),
    objects: tuple[int, int] = (1, 4),
    min_extent: int = 12,
    max_share: float = 0.6,
    max_hidden: float = 0.3,
) -> Scene:
    """Draw a scene; equal arguments give equal pixels.

    Args:
        seed: Chooses everything in the scene.
        size: (height, width) in pixels.
        objects: The fewest and the most shapes; fewer where no room is found for one.
        min_extent: The least width and height of a shape in pixels.
        max_share: The most of them, as a share of the image's shorter side.
        max_hidden: How much of a shape others may hide, 0 to 1: every shape stays recognisable.

    Raises:
        ValueError: If the image is too small for shapes of that extent.
    """
    height, width = size
    largest = int(min(height, width) * max_share)
    if largest < min_extent:
        raise ValueError(f"a scene of {width} x {height} has no room for shapes of {min_extent} px")
    rng = np.random.default_rng(seed)
    image = _background(rng, height, width)
    owner = np.full((height, width), -1, np.int32)
    kinds: list[tuple[str, str]] = []
    least: list[float] = []
    for _ in range(int(rng.integers(objects[0], objects[1] + 1))):
        shape = SHAPES[rng.integers(len(SHAPES))]
        colour = list(COLOURS)[rng.integers(len(COLOURS))]
        for _ in range(_ATTEMPTS):
            extent = int(rng.integers(min_extent, largest + 1))
            centre = rng.uniform(extent / 2, (width - extent / 2, height - extent / 2))
            place = (float(centre[0]), float(centre[1]))
            window, alpha = _shape_alpha(shape, size, place, extent, rng)
            covered = alpha > 0.5
            beneath = owner.copy()
            beneath[window][covered] = len(kinds)
            left = np.bincount(beneath[beneath >= 0], minlength=len(kinds) + 1)
            if (left[:-1] >= least).all():
                break
        else:
            continue
        shade = np.array(COLOURS[colour], np.float32) * rng.uniform(0.85, 1.1)
        image[window] += alpha[:, :, None] * (shade - image[window])
        owner = beneath
        kinds.append((shape, colour))
        least.append((1 - max_hidden) * int(covered.sum()))
    image += rng.normal(0, rng.uniform(2, 8), image.shape).astype(np.float32)
    visible = []
    for index, (shape, colour) in enumerate(kinds):
        mask = owner == index
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        visible.append(SceneObject(shape, colour, box, mask))
    return Scene(image.clip(0, 255).astype(np.uint8), tuple(visible))


def _article(word: str) -> Literal["a", "an"]:
    return "an" if word[0] in "aeiou" else "a"


def _background(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """A textured ground of muted colour: smooth noise at two scales."""
    image = np.empty((height, width, 3), np.float32)
    image[:] = rng.uniform(70, 185, 3)
    for cells, strength in ((4, 28), (16, 12)):
        noise = rng.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return image


def _shape_alpha(
    shape: str,
    size: tuple[int, int],
    centre: tuple[float, float],
    extent: int,
    rng: np.random.Generator,
) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
    """The rows and columns around a shape, and how much of each pixel there it covers, 0 to 1.

    Drawn at four times the size.
    """
    zoom = 4
    reach = extent / 2 + 2
    left, top = (max(0, int(value - reach)) for value in centre)
    right, bottom = (
        min(side, int(value + reach) + 1) for value, side in zip(centre, size[::-1], strict=True)
    )
    canvas = np.zeros(((bottom - top) * zoom, (right - left) * zoom), np.uint8)
    middle = np.array([centre[0] - left, centre[1] - top]) * zoom
    radius = extent / 2 * zoom
    angle = rng.uniform(-0.3, 0.3)
    if shape in {"circle", "ring"}:
        place = tuple(int(value) for value in middle)
        cv2.circle(canvas, place, int(radius), 255, -1)
        if shape == "ring":
            cv2.circle(canvas, place, int(radius * 0.55), 0, -1)
    else:
        outline = _outline(shape) * radius
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        cv2.fillPoly(canvas, [(outline @ turn.T + middle).astype(np.int32)], 255)
    small = cv2.resize(canvas, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    alpha = np.asarray(small, np.float32) / np.float32(255)
    return (slice(top, bottom), slice(left, right)), alpha


def _outline(shape: str) -> NDArray[np.float64]:
    """Corners of a polygon within the unit circle, shape (corners, 2)."""
    if shape == "cross":
        a, b = 0.95, 0.3
        corners = [(-b, -a), (b, -a), (b, -b), (a, -b), (a, b), (b, b)]
        return np.array(corners + [(-x, -y) for x, y in corners])
    if shape == "diamond":
        return np.array([(0, -1), (0.62, 0), (0, 1), (-0.62, 0)])
    if shape == "square":
        return np.array([(-0.75, -0.75), (0.75, -0.75), (0.75, 0.75), (-0.75, 0.75)])
    points = 10 if shape == "star" else 3
    turns = np.arange(points) * 2 * np.pi / points - np.pi / 2
    radii = np.where(np.arange(points) % 2, 0.42, 1.0) if shape == "star" else np.ones(points)
    return np.stack([np.cos(turns) * radii, np.sin(turns) * radii], axis=1)
