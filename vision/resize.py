"""Resize images to a network's input size, and map results back to the original image."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.vision.images import Pixels
from visus.vision.metadata import ModelMetadata, ResizeMode

LETTERBOX_GREY = 114


@dataclass(frozen=True)
class Geometry:
    """The map from an image to its resized copy: `resized = original * scale + offset`.

    Attributes:
        source_size: (height, width) of the original image in pixels.
        size: (height, width) of the resized image in pixels.
        scale: (x, y) factors.
        offset: (x, y) of the original's corner in the resized image, in pixels; negative after
            cropping.
    """

    source_size: tuple[int, int]
    size: tuple[int, int]
    scale: tuple[float, float]
    offset: tuple[float, float]

    @property
    def inside(self) -> tuple[slice, slice]:
        """Rows and columns of the resized image that show the original."""
        sides = zip(self.source_size, self.scale[::-1], self.offset[::-1], self.size, strict=True)
        rows, columns = (
            slice(max(0, round(start)), min(limit, round(start + length * scale)))
            for length, scale, start, limit in sides
        )
        return rows, columns

    def points_to_source(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map points from the resized to the original image.

        Args:
            points: Shape (..., 2), (x, y) in pixels of the resized image.

        Returns:
            Shape (..., 2), (x, y) in pixels of the original image; not clipped to it.
        """
        mapped = (np.asarray(points, dtype=np.float64) - self.offset) / self.scale
        return mapped.astype(np.float32)

    def points_from_source(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map points of shape (..., 2) from the original to the resized image."""
        mapped = np.asarray(points, dtype=np.float64) * self.scale + self.offset
        return mapped.astype(np.float32)

    def boxes_to_source(self, boxes: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map boxes from the resized to the original image, clipped to its edges.

        Args:
            boxes: Shape (N, 4), (x1, y1, x2, y2) in pixels of the resized image.
        """
        corners = self.points_to_source(np.asarray(boxes).reshape(-1, 2, 2))
        height, width = self.source_size
        return np.clip(corners, 0, np.array([width, height], np.float32)).reshape(-1, 4)

    def mask_to_source(self, mask: NDArray[np.integer], outside: int = 0) -> NDArray[np.integer]:
        """Map a mask of class ids to the size of the original image by nearest neighbour.

        Args:
            mask: Shape `size`.
            outside: Id of the pixels of the original that are outside the resized image.
        """
        height, width = self.source_size
        (scale_x, scale_y), (offset_x, offset_y) = self.scale, self.offset
        columns = np.floor((np.arange(width) + 0.5) * scale_x + offset_x).astype(int)
        rows = np.floor((np.arange(height) + 0.5) * scale_y + offset_y).astype(int)
        return _pick(mask, rows, columns, outside)

    def mask_from_source(self, mask: NDArray[np.uint8], outside: int) -> NDArray[np.uint8]:
        """Map a mask of the original's size to the resized image by nearest neighbour.

        Args:
            mask: uint8 of shape `source_size`.
            outside: Id of the pixels of the resized image that are outside the original.
        """
        (scale_x, scale_y), (offset_x, offset_y) = self.scale, self.offset
        columns = np.floor((np.arange(self.size[1]) + 0.5 - offset_x) / scale_x).astype(int)
        rows = np.floor((np.arange(self.size[0]) + 0.5 - offset_y) / scale_y).astype(int)
        return _pick(mask, rows, columns, outside)

    def plane_to_source(
        self, plane: NDArray[np.float32], part: tuple[slice, slice] | None = None
    ) -> NDArray[np.float32]:
        """Interpolate a map over the resized image bilinearly at each pixel of the original.

        Args:
            plane: float32 of any shape (rows, columns), such as that of a coarse feature map.
            part: Rows and columns of the original; all by default.

        Returns:
            float32 of shape `source_size`, or that of the part; outside the resized image the
            nearest value.
        """
        step, start = self._pixels_in(plane.shape)
        height, width = self.source_size
        rows, columns = part or (slice(0, height), slice(0, width))
        matrix = np.array(
            [
                [step[0], 0, start[0] + step[0] * columns.start],
                [0, step[1], start[1] + step[1] * rows.start],
            ]
        )
        size = (columns.stop - columns.start, rows.stop - rows.start)
        if 0 in size:
            return np.zeros(size[::-1], np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        mapped = cv2.warpAffine(plane, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(mapped, np.float32)

    def window(self, cells: tuple[slice, slice], shape: Sequence[int]) -> tuple[slice, slice]:
        """Rows and columns of the original that `plane_to_source` interpolates between cells.

        Args:
            cells: Rows and columns of a map over the resized image.
            shape: (rows, columns) of that map, whose edges pixels beyond it belong to.
        """
        step, start = self._pixels_in(shape)
        parts = []
        for axis, part in enumerate(cells):
            limit, first, scale = self.source_size[axis], start[1 - axis], step[1 - axis]
            # One more on each side, as positions are rounded.
            low = math.floor((part.start - first) / scale) - 1 if part.start else 0
            high = math.ceil((part.stop - 1 - first) / scale) + 2
            high = limit if part.stop == shape[axis] else min(high, limit)
            low = min(max(low, 0), limit)
            parts.append(slice(low, max(high, low)))
        return parts[0], parts[1]

    def _pixels_in(self, shape: Sequence[int]) -> tuple[list[float], list[float]]:
        """(x, y) steps from pixel to pixel of the original in a map, and where the first lies."""
        zoom = shape[1] / self.size[1], shape[0] / self.size[0]
        step = [z * s for z, s in zip(zoom, self.scale, strict=True)]
        # Centres of pixels lie at one half.
        start = [
            z * (0.5 * s + o) - 0.5 for z, s, o in zip(zoom, self.scale, self.offset, strict=True)
        ]
        return step, start


def _pick(
    mask: NDArray[Any], rows: NDArray[np.int_], columns: NDArray[np.int_], outside: int
) -> NDArray[Any]:
    """The mask's values at these rows and columns, `outside` beyond its edges."""
    height, width = mask.shape
    picked: NDArray[Any] = mask[np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))]
    picked[(rows < 0) | (rows >= height)] = outside
    picked[:, (columns < 0) | (columns >= width)] = outside
    return picked


def resize_to_input(
    image: Pixels, size: tuple[int, int], mode: ResizeMode
) -> tuple[Pixels, Geometry]:
    """Resize an image to a network's input size.

    Args:
        image: uint8 of shape (height, width, channels), any number of channels.
        size: (height, width) of the result in pixels.
        mode: How the aspect ratio is treated.

    Returns:
        The resized image, uint8 of shape (*size, channels), and its geometry.

    Raises:
        ValueError: If the mode is unknown or the image has no pixels.
    """
    if mode not in get_args(ResizeMode):
        raise ValueError(
            f"resize mode {mode!r} is unknown; choose from {', '.join(get_args(ResizeMode))}"
        )
    source_height, source_width = image.shape[:2]
    if source_height == 0 or source_width == 0:
        raise ValueError(f"an image of {source_width} x {source_height} pixels cannot be resized")
    height, width = size
    if mode == "crop":
        return _crop(image, height, width)
    inner_height, inner_width = height, width
    if mode == "letterbox":
        factor = min(height / source_height, width / source_width)
        inner_height = max(1, round(source_height * factor))
        inner_width = max(1, round(source_width * factor))
    # Rounding makes the two factors differ slightly; with both, the inverse map is exact.
    scale = (inner_width / source_width, inner_height / source_height)
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    resized = _resize(image, inner_height, inner_width)
    if mode == "letterbox":
        padded = np.full((height, width, image.shape[2]), LETTERBOX_GREY, np.uint8)
        padded[top : top + inner_height, left : left + inner_width] = resized
        resized = padded
    offset = (float(left), float(top))
    return resized, Geometry((source_height, source_width), (height, width), scale, offset)


def _crop(image: Pixels, height: int, width: int) -> tuple[Pixels, Geometry]:
    """Crop the centre before resizing: a long, narrow image would become huge otherwise."""
    source_height, source_width = image.shape[:2]
    factor = max(height / source_height, width / source_width)
    cut_height = min(source_height, max(1, round(height / factor)))
    cut_width = min(source_width, max(1, round(width / factor)))
    top, left = (source_height - cut_height) // 2, (source_width - cut_width) // 2
    cut = image[top : top + cut_height, left : left + cut_width]
    scale = (width / cut_width, height / cut_height)
    offset = (-left * scale[0], -top * scale[1])
    resized = np.ascontiguousarray(_resize(cut, height, width))
    return resized, Geometry((source_height, source_width), (height, width), scale, offset)


def to_channels(image: Pixels, channels: int) -> Pixels:
    """Convert an RGB image to grey (one channel, ITU-R 601 luma) if one channel is required.

    Raises:
        ValueError: If the image cannot be converted to that many channels.
    """
    if image.shape[2] == channels:
        return image
    if channels == 1 and image.shape[2] == 3:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)[:, :, None]
    raise ValueError(f"an image of {image.shape[2]} channels cannot become one of {channels}")


def to_planes(image: Pixels) -> NDArray[np.uint8]:
    """Convert (height, width, channels) to (channels, height, width), the layout of networks."""
    height, width, channels = image.shape
    planes = np.empty((channels, height, width), np.uint8)
    # Faster than NumPy's copy of a transposed image.
    cv2.split(image, list(planes))
    return planes


def _resize(image: Pixels, height: int, width: int) -> Pixels:
    # OpenCV supports four channels at most.
    parts = [
        _resize_part(image[:, :, first : first + 4], height, width)
        for first in range(0, image.shape[2], 4)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)


def _resize_part(image: Pixels, height: int, width: int) -> Pixels:
    """Resize bilinearly to a power-of-two multiple of the size, then halve repeatedly.

    As close to a band-limited copy as area interpolation, and faster: of OpenCV's area
    interpolation only halving is vectorised. Large images are halved first, all but one of their
    halvings: bilinear interpolation costs more, and alone would skip pixels.
    """
    small = image
    while all(
        have % 2 == 0 and have >= 4 * want
        for have, want in zip(small.shape[:2], (height, width), strict=True)
    ):
        small = _halve(small, small.shape[0] // 2, small.shape[1] // 2)
    down, across = (
        max(0, round(math.log2(have / want)))
        for have, want in zip(small.shape[:2], (height, width), strict=True)
    )
    small = np.asarray(cv2.resize(small, (width << across, height << down)), np.uint8)
    while down or across:
        down, across = max(0, down - 1), max(0, across - 1)
        small = _halve(small, height << down, width << across)
    return small.reshape(height, width, -1)


def _halve(image: Pixels, height: int, width: int) -> Pixels:
    """Average two or four pixels each, for a size that is half along one axis or both."""
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def preprocess_image(image: Pixels, metadata: ModelMetadata) -> tuple[NDArray[np.uint8], Geometry]:
    """Resize a whole image to a model's input.

    Args:
        image: uint8 of shape (height, width, channels).
        metadata: Metadata of the model.

    Returns:
        uint8 of shape (1, in_channels, *image_size), and the geometry.
    """
    resized, geometry = resize_to_input(image, metadata.image_size, metadata.resize_mode)
    return to_planes(to_channels(resized, metadata.in_channels))[None], geometry
