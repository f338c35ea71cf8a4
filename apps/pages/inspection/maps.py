"""The sections on images and maps: pixels, feature maps, patches, receptive fields."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.apps.pages.figures import data_uri, strip
from visus.apps.pages.inspection.inspected import Inspected, shape_text
from visus.apps.pages.rendering import encode_array
from visus.apps.pages.section import Section
from visus.models.inspection.features import strongest_channels, to_levels
from visus.models.inspection.patches import patch_layer, strongest_patches
from visus.models.inspection.receptive_fields import effective_fields
from visus.models.inspection.recording import record
from visus.vision.errors import VisusError
from visus.vision.image_files import list_images
from visus.vision.images import Pixels, read_image, visible
from visus.vision.sampling import evenly_spaced
from visus.vision.wording import counted

_MAPS = 24
_CHANNELS = 8
_THUMBNAIL = 72
_FIELDS = 8
_POSITIONS = 3
"""Positions along each side at which effective receptive fields are computed."""
_HEAT = 64
"""Side in pixels of the stored maps of effective receptive fields."""
_IMAGES = 200
"""Images of a folder of patches that are read."""
_PATCHES = 6


def image_section(inspected: Inspected) -> Section:
    """The image as numbers."""
    pixels = inspected.pixels
    channels = [data_uri(np.ascontiguousarray(pixels[:, :, i]), True) for i in range(3)]
    facts = {
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "in_channels": int(inspected.subject.image.shape[1]),
        "image": data_uri(pixels, lossless=True),
        "channels": list(zip(("red", "green", "blue"), channels, strict=True)),
    }
    return Section("image", "The image as numbers", facts, {})


def maps_section(inspected: Inspected) -> Section:
    """Feature maps of every layer."""
    subject = inspected.subject
    layers = evenly_spaced(subject.spatial_layers, _MAPS)
    recorded = record(subject, [layer.name for layer in layers], subject.image)
    rows = []
    for layer in layers:
        maps = recorded[layer.name].output[0]
        channels = strongest_channels(maps, _CHANNELS)
        image = strip(to_levels(maps[channels]), _THUMBNAIL)
        rows.append((layer, shape_text(layer.output), channels, data_uri(image)))
    facts = {"rows": rows, "all": len(subject.spatial_layers)}
    return Section("maps", "Feature maps of every layer", facts)


def patches_section(
    inspected: Inspected,
    folder: Path | None,
    to_input: Callable[[Pixels], NDArray[np.uint8]],
    chosen: bool,
) -> Section:
    """The patches of a folder's images that excite some channels most.

    Args:
        inspected: The network.
        folder: The folder; None if there is none.
        to_input: From an image to the network's input, uint8 (1, channels, height, width).
        chosen: Whether the user chose the convolution; otherwise a deeper one is shown, whose
            patches are large enough to recognise.
    """
    name, title = "patches", "The patches that excite a channel most"
    if folder is None:
        return Section(name, title, missing="Add --patches FOLDER with some hundred images.")
    subject = inspected.subject
    layer = inspected.layer
    if not chosen:
        layer = patch_layer(subject.convolutions, int(subject.image.shape[2]))
    paths = list_images(folder)
    step = max(1, -(-len(paths) // _IMAGES))
    unreadable = 0
    images = []
    for path in paths[::step]:
        try:
            images.append((path.name, to_input(read_image(path))))
        except VisusError:
            unreadable += 1
    found = strongest_patches(subject, layer, images, _PATCHES)
    rows = [
        (channel, [(each.source, each.value, data_uri(_enlarged(each.pixels))) for each in patches])
        for channel, patches in found.items()
    ]
    facts = {
        "layer": layer,
        "rows": rows,
        "images": counted(len(images), "image"),
        "unreadable": unreadable,
        "folder": str(folder),
    }
    return Section(name, title, facts)


def field_section(inspected: Inspected) -> Section:
    """The receptive field of a chosen number, drawn on the image."""
    name, title = "field", "The receptive field of one number"
    subject = inspected.subject
    layers = evenly_spaced(subject.convolutions, _FIELDS)
    effective = effective_fields(subject, layers, _POSITIONS)
    rows = []
    for layer in layers:
        heats = [_small(each.magnitude) for each in effective[layer.name]]
        field = layer.field
        rows.append(
            {
                "name": layer.name,
                "output": layer.output,
                "size": None if field is None else field.size,
                "jump": None if field is None else field.jump,
                "start": None if field is None else field.start,
                "positions": [[each.row, each.column] for each in effective[layer.name]],
                "shares": [round(each.share, 4) for each in effective[layer.name]],
                "heats": encode_array(np.stack(heats)),
            }
        )
    facts = {
        "image": data_uri(inspected.pixels),
        "layers": len(layers),
        "steps": _POSITIONS,
        "height": inspected.pixels.shape[0],
        "width": inspected.pixels.shape[1],
    }
    return Section(name, title, facts, {"layers": rows, "steps": _POSITIONS})


def _small(magnitude: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A map at the stored size; each value is the largest that it covers, so that points stay."""
    height, width = magnitude.shape
    levels = np.zeros((_HEAT, _HEAT), np.float32)
    rows = np.arange(height) * _HEAT // height
    columns = np.arange(width) * _HEAT // width
    np.maximum.at(levels, (rows[:, None], columns[None]), magnitude)
    if min(height, width) < _HEAT:
        # A smaller image leaves gaps.
        levels = np.asarray(cv2.resize(magnitude, (_HEAT, _HEAT)), np.float32)
    # The square root shows small gradients beside large ones.
    return np.asarray(np.sqrt(np.clip(levels, 0, 1)) * 255, np.uint8)


def _enlarged(pixels: Pixels) -> Pixels:
    scale = 96 / max(pixels.shape[:2])
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    method = cv2.INTER_NEAREST if scale >= 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(visible(pixels), size, interpolation=method), np.uint8)
