"""Selective search: boxes that may hold an object, from the image's colours and textures alone."""

import heapq
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.vision.images import Pixels

_SIDE = 200
"""Longer side in pixels of the image that is searched: enough for boxes that are refined later."""
_SCALES = (40, 120)
"""Coarseness of the initial segmentations: the search runs once with each."""
_LEAST_REGION = 16
"""Smallest initial region, in pixels of the searched image."""
_COLOUR_BINS, _DIRECTIONS = 16, 8

_Box = tuple[int, int, int, int]
"""x1, y1, x2, y2 in pixels."""


@dataclass(frozen=True, eq=False)
class _Region:
    """A set of pixels.

    Attributes:
        size: Number of pixels.
        box: Its bounding box.
        colours: Histogram of the colours; sums to 1 for each channel.
        textures: Histogram of the directions of the gradients; sums to 1.
    """

    size: int
    box: _Box
    colours: NDArray[np.float64]
    textures: NDArray[np.float64]


def selective_search(image: Pixels, count: int = 300) -> NDArray[np.float32]:
    """Class-agnostic region proposals (Uijlings et al. 2013, "Selective Search").

    An oversegmentation (Felzenszwalb and Huttenlocher 2004, by scikit-image) is merged step by
    step, the two most similar neighbours first, until one region is left; the bounding box of
    every region on the way is a proposal. Large regions come first. Equal images give equal boxes.

    Args:
        image: uint8 of shape (height, width, channels).
        count: Largest number of proposals.

    Returns:
        x1, y1, x2, y2 of each in pixels of the image, shape (proposals, 4), without duplicates; at
        least the box of the whole image.
    """
    height, width = image.shape[:2]
    factor = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    if small.ndim == 2 or small.shape[2] == 1:
        small = np.asarray(cv2.cvtColor(small, cv2.COLOR_GRAY2RGB), np.uint8)
    boxes: dict[_Box, float] = {}
    for scale in _SCALES:
        for rank, box in enumerate(reversed(_merge(*_segment(small, scale)))):
            boxes[box] = min(rank, boxes.get(box, rank))
    best = sorted(boxes, key=lambda box: (boxes[box], box))[:count]
    stretch = [width / size[0], height / size[1]] * 2
    return np.array(best, np.float32) * np.array(stretch, np.float32)


def _segment(image: Pixels, scale: float) -> tuple[list[_Region], list[tuple[int, int]]]:
    """The initial regions, and the pairs of neighbours."""
    from skimage.segmentation import felzenszwalb

    ids = felzenszwalb(image, scale=scale, sigma=0.8, min_size=_LEAST_REGION)
    count = int(ids.max()) + 1
    flat = ids.ravel()
    sizes = np.bincount(flat, minlength=count)
    hsv = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), np.uint8)
    colours = _histograms(flat, count, hsv, _COLOUR_BINS)
    textures = _directions(ids, count, image)
    boxes = _boxes(ids)
    regions = [_Region(int(sizes[i]), boxes[i], colours[i], textures[i]) for i in range(count)]
    beside = [
        np.stack([a.ravel(), b.ravel()], 1)
        for a, b in ((ids[:, :-1], ids[:, 1:]), (ids[:-1], ids[1:]))
    ]
    pairs = np.sort(np.concatenate(beside), 1)
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    return regions, [(int(a), int(b)) for a, b in pairs]


def _merge(regions: list[_Region], pairs: list[tuple[int, int]]) -> list[_Box]:
    """The boxes of all regions, in the order in which they arise."""
    total = sum(region.size for region in regions)
    alive = set(range(len(regions)))
    neighbours: dict[int, set[int]] = {i: set() for i in alive}
    for a, b in pairs:
        neighbours[a].add(b)
        neighbours[b].add(a)
    queue = [(-_similarity(regions[a], regions[b], total), a, b) for a, b in pairs]
    heapq.heapify(queue)
    while queue:
        _, a, b = heapq.heappop(queue)
        if a not in alive or b not in alive:
            continue
        merged = len(regions)
        regions.append(_union(regions[a], regions[b]))
        around = (neighbours.pop(a) | neighbours.pop(b)) - {a, b}
        alive -= {a, b}
        alive.add(merged)
        neighbours[merged] = around
        for other in around:
            neighbours[other] = (neighbours[other] - {a, b}) | {merged}
            similarity = _similarity(regions[other], regions[merged], total)
            heapq.heappush(queue, (-similarity, other, merged))
    return [region.box for region in regions]


def _similarity(a: _Region, b: _Region, total: int) -> float:
    """The paper's sum of the similarities of colour, texture, size and fill, 0 to 4."""
    x1, y1, x2, y2 = _enclose(a.box, b.box)
    colour = np.minimum(a.colours, b.colours).sum()
    texture = np.minimum(a.textures, b.textures).sum()
    sizes = a.size + b.size
    gap = (x2 - x1) * (y2 - y1) - sizes
    return float(colour / 3 + texture + (1 - sizes / total) + (1 - gap / total))


def _union(a: _Region, b: _Region) -> _Region:
    size = a.size + b.size
    return _Region(
        size,
        _enclose(a.box, b.box),
        (a.size * a.colours + b.size * b.colours) / size,
        (a.size * a.textures + b.size * b.textures) / size,
    )


def _enclose(a: _Box, b: _Box) -> _Box:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _histograms(
    flat: NDArray[np.integer], count: int, values: Pixels, bins: int
) -> NDArray[np.float64]:
    """The histogram of each channel in each region, shape (regions, channels * bins)."""
    channels = []
    for channel in range(values.shape[2]):
        levels = values[..., channel].ravel().astype(np.int64) * bins // 256
        table = np.bincount(flat * bins + levels, minlength=count * bins)
        channels.append(table.reshape(count, bins))
    joined = np.concatenate(channels, 1).astype(np.float64)
    totals = joined.sum(1, keepdims=True) / values.shape[2]
    return np.asarray(joined / totals, np.float64)


def _directions(ids: NDArray[np.integer], count: int, image: Pixels) -> NDArray[np.float64]:
    """The directions of each region's gradients, weighted by their magnitudes."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    angles = (np.arctan2(down, across) + np.pi) * (_DIRECTIONS / (2 * np.pi))
    slots = ids.ravel() * _DIRECTIONS + angles.astype(np.int64).ravel() % _DIRECTIONS
    weights = np.hypot(across, down).ravel() + 1e-3
    table = np.bincount(slots, weights, count * _DIRECTIONS).reshape(count, _DIRECTIONS)
    return np.asarray(table / table.sum(1, keepdims=True), np.float64)


def _boxes(ids: NDArray[np.integer]) -> list[_Box]:
    """The bounding box of each region."""
    from scipy.ndimage import find_objects

    return [
        (columns.start, rows.start, columns.stop, rows.stop)
        for rows, columns in find_objects(ids + 1)
    ]
