"""A tiny data set of procedural scenes in each layout of masks."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from visus.datamodules.segmentation.mask_polygons import BACKGROUND
from visus.vision.colours import class_colour
from visus.vision.masks import encode_mask, mask_to_png
from visus.vision.output_files import replacing, write_image, write_text
from visus.vision.scenes import SHAPES, Scene, make_scene

_NAMES = (BACKGROUND, *SHAPES)
_COLOURS = tuple(class_colour(class_id) for class_id in range(len(_NAMES)))


def write_ids(folder: Path) -> None:
    """Grey masks of class ids, and a `classes.csv` with their names."""
    _write(folder, lambda path, scene: write_image(path, scene.class_mask()))
    write_text(folder / "classes.csv", "\n".join(("name", *_NAMES, "")))


def write_palette(folder: Path) -> None:
    """Palette images of class ids."""

    def write_mask(path: Path, scene: Scene) -> None:
        with replacing(path) as part:
            part.write_bytes(mask_to_png(scene.class_mask(), _COLOURS))

    _write(folder, write_mask)
    write_text(folder / "classes.csv", "\n".join(("name", *_NAMES, "")))


def write_colours(folder: Path) -> None:
    """Masks in colour, and a `classes.csv` that decodes them."""
    colours = np.array(_COLOURS, np.uint8)
    _write(folder, lambda path, scene: write_image(path, colours[scene.class_mask()]))
    with replacing(folder / "classes.csv") as part, part.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("name", "colour"))
        for name, (red, green, blue) in zip(_NAMES, _COLOURS, strict=True):
            rows.writerow((name, f"#{red:02x}{green:02x}{blue:02x}"))


def write_outlines(folder: Path) -> None:
    """COCO's JSON with the run lengths of each object."""
    images: list[dict[str, object]] = []
    objects: list[dict[str, object]] = []
    for i, scene in enumerate(_scenes()):
        height, width = scene.image.shape[:2]
        name = f"p{i}.png"
        write_image(folder / "images" / name, scene.image)
        images.append({"id": i, "file_name": name, "height": height, "width": width})
        for item in scene.objects:
            x1, y1, x2, y2 = item.box
            objects.append(
                {
                    "id": len(objects) + 1,
                    "image_id": i,
                    "category_id": SHAPES.index(item.shape) + 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "segmentation": encode_mask(item.mask),
                    "area": int(item.mask.sum()),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(SHAPES)]
    content = {"images": images, "annotations": objects, "categories": categories}
    write_text(folder / "annotations" / "instances.json", json.dumps(content))


def _scenes() -> list[Scene]:
    return [make_scene(seed, (96, 96)) for seed in range(8)]


def _write(folder: Path, write_mask: Callable[[Path, Scene], None]) -> None:
    """Write the images, and the masks by a function from a path and a scene."""
    for i, scene in enumerate(_scenes()):
        write_image(folder / "images" / f"p{i}.png", scene.image)
        write_mask(folder / "masks" / f"p{i}.png", scene)
