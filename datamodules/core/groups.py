"""Which samples a hold-out keeps on one side: those of a group, and images that look alike."""

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from visus.datamodules.core.images import ListedImage
from visus.datamodules.core.thread_pools import thread_pool
from visus.vision.images import read_image
from visus.vision.progress import track

Image = TypeVar("Image", bound=ListedImage)

_SIDE = 16
"""Side in pixels of the grey thumbnails that are compared."""

_CORRELATION = 0.98
"""Correlation of two thumbnails from which images are similar: the next slice of the same head."""

_LEAST_CONTRAST = 4.0
"""Standard deviation in grey levels below which a thumbnail is an even surface."""

_BLOCK = 256
"""Images that are compared with all others at once."""


def group_images(
    images: Sequence[Image],
    similar: bool = False,
    stated: Callable[[Image], str] | None = None,
) -> list[str] | None:
    """The groups of images for a hold-out; None if each image is on its own.

    Args:
        images: Checked images.
        similar: Whether images that look alike belong together.
        stated: Function from an image to the group that the data set states for it, or to nothing.
    """
    labels: list[Sequence[Hashable]] = []
    if stated is not None and any(map(stated, images)):
        labels.append([stated(image) for image in images])
    if similar:
        labels.append(similar_images([image.path for image in images]))
    return group_samples([image.content for image in images], *labels) if labels else None


def group_samples(contents: Sequence[str], *labels: Sequence[Hashable]) -> list[str]:
    """The groups of samples of which some are known to belong together.

    Args:
        contents: `content_hash` of each sample; those of equal content belong together.
        labels: Several ways to say which others do: for each sample a value that it has in common
            with them; an empty text for none.

    Returns:
        For each sample the smallest content of its group, which is the same on every machine.
    """
    links = []
    for values in (contents, *labels):
        first: dict[Hashable, int] = {}
        links += [
            i if value == "" else first.setdefault(value, i) for i, value in enumerate(values)
        ]
    count = len(contents)
    positions = np.tile(np.arange(count), 1 + len(labels))
    components = _components(positions, np.array(links, np.int64), count)
    names: dict[int, str] = {}
    for component, content in zip(components, contents, strict=True):
        names[component] = min(content, names.get(component, content))
    return [names[component] for component in components]


def similar_images(paths: Sequence[Path | str]) -> list[int]:
    """A number for each image, equal for images that look alike, and for chains of such images.

    Args:
        paths: The files, which are read in parallel.
    """
    with thread_pool() as pool:
        found = track(pool.map(_thumbnail, paths), "Comparing images", len(paths))
        thumbnails = np.stack(list(found))
    count = len(paths)
    components = np.arange(count)
    for start in range(0, count, _BLOCK):
        alike = thumbnails[start : start + _BLOCK] @ thumbnails[: start + _BLOCK].T > _CORRELATION
        rows, columns = np.nonzero(alike)
        # Each with those of its component so far, and of this block: no more links than images.
        rows = np.concatenate([rows + start, np.arange(count)])
        components = _components(rows, np.concatenate([columns, components]), count)
        # Numbered by a member, as the links are between images.
        components = np.unique(components, return_index=True)[1][components]
    return [int(component) for component in components]


def _components(
    rows: NDArray[np.int64], columns: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """The component of each of so many nodes of a graph with these edges."""
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _thumbnail(path: Path | str) -> NDArray[np.float32]:
    """A grey thumbnail of mean 0 and length 1, flattened; smaller on an even surface."""
    image = read_image(path, least_side=2 * _SIDE)
    small = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    values = np.float32(small).reshape(_SIDE * _SIDE, -1).mean(1)
    values -= values.mean()
    return np.asarray(values / (max(values.std(), _LEAST_CONTRAST) * _SIDE), np.float32)
