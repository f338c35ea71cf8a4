"""Read the categories and annotations of COCO JSON: class names, and the objects of each image."""

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from visus.datamodules.core.formats.coco_masks import read_segmentation
from visus.datamodules.core.labels import LabelledObject, Labels, is_number, misspelt
from visus.datamodules.core.object_checks import mask_bounds
from visus.datamodules.core.problems import shown

_OBJECT_KEYS = ("id", "image_id", "category_id", "bbox", "segmentation", "area", "iscrowd")


def read_categories(
    path: Path, entries: list[Any], annotations: list[Any], labels: Labels
) -> dict[str, str]:
    """Class names by id as a string; adds them to the labels in the order of the ids."""
    names: dict[str, str] = {}
    usable = []
    groups = _groups(entries, annotations)
    for index, entry in enumerate(entries):
        if index in groups:
            continue
        place = f"{path}: categories[{index}]"
        named = isinstance(entry, dict) and isinstance(entry.get("name"), str) and entry["name"]
        if not named or type(entry.get("id")) is not int:
            labels.error(place, "needs a numeric id and a name")
        elif str(entry["id"]) in names:
            labels.fatal(
                place,
                f"has the same id {entry['id']} as {shown(names[str(entry['id'])])}; "
                "ids must be unique",
            )
        elif entry["name"] in names.values():
            labels.fatal(place, f"its name {shown(entry['name'])} occurs twice; merge the two")
        else:
            names[str(entry["id"])] = entry["name"]
            usable.append((entry["id"], entry["name"]))
    labels.class_names += [name for _, name in sorted(usable) if name not in labels.class_names]
    return names


def _groups(entries: list[Any], annotations: list[Any]) -> set[int]:
    """Indices of categories without objects that are the supercategory of others.

    Roboflow's first category is one, with the name of the project.
    """
    used = {str(each.get("category_id")) for each in annotations if isinstance(each, dict)}
    named = [
        (index, each)
        for index, each in enumerate(entries)
        if isinstance(each, dict) and isinstance(each.get("name"), str)
    ]
    above = Counter(str(each.get("supercategory")) for _, each in named)
    return {
        index
        for index, each in named
        if str(each.get("id")) not in used
        and above[each["name"]] > (each["name"] == each.get("supercategory"))
    }


def read_annotations(
    path: Path, entries: list[Any], names: dict[str, str], labels: Labels
) -> dict[str, list[LabelledObject]]:
    """The objects of each image, by its id as a string."""
    objects = defaultdict(list)
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        place = f"{path}: annotations[{index}]"
        if not isinstance(entry, dict):
            labels.error(place, f"is not a JSON object ({type(entry).__name__})")
            continue
        key = entry.get("id")
        if type(key) in (int, str):
            if str(key) in seen:
                labels.error(place, f"its id {shown(key)} occurs twice; ids must be unique")
                continue
            seen.add(str(key))
        elif key is not None:
            labels.error(place, f"its id {shown(key)} is not a number")
            continue
        item = _read_object(place, entry, names, labels)
        if item is not None:
            objects[str(entry["image_id"])].append(item)
    return objects


def _read_object(
    place: str, entry: dict[str, Any], names: dict[str, str], labels: Labels
) -> LabelledObject | None:
    """One object; None, and a problem, if it is not usable."""
    category, box, crowd = (entry.get(key) for key in ("category_id", "bbox", "iscrowd"))
    area = entry.get("area")
    # Some tools export polygons without boxes.
    has_box = box is not None and box != []
    message = ""
    if wrong := misspelt(entry, _OBJECT_KEYS):
        message = wrong
    elif type(category) not in (int, str) or str(category) not in names:
        message = f"unknown class: category_id {shown(category)} is not a category's id"
    elif type(entry.get("image_id")) not in (int, str):
        message = f"its image_id {shown(entry.get('image_id'))} is not an image's id"
    elif has_box and not (isinstance(box, list) and len(box) == 4 and all(map(is_number, box))):
        message = f"its bbox {shown(box)} is not four finite numbers"
    elif not (crowd is None or (isinstance(crowd, int) and crowd in (0, 1))):
        message = f"its iscrowd {shown(crowd)} is neither 0 nor 1"
    elif not (area is None or (is_number(area) and area >= 0)):
        message = f"its area {shown(area)} is not a number of pixels"
    if message:
        labels.error(place, message)
        return None
    mask = read_segmentation(entry.get("segmentation"))
    if isinstance(mask, str):
        labels.error(place, mask)
        return None
    x, y, width, height = box if has_box else (0, 0, 0, 0)  # type: ignore[misc]
    item = LabelledObject(
        names[str(category)],
        (x, y, x + width, y + height),
        place,
        crowd=bool(crowd),
        polygons=mask.polygons,
        runs=mask.runs,
        runs_size=mask.size,
        area=area,
    )
    if has_box:
        return item
    bounds = mask_bounds(item)
    if bounds is None:
        labels.error(place, "has neither a bbox nor a segmentation")
        return None
    return replace(item, box=bounds)
