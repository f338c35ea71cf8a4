"""The figure of a file of predictions: the same function for visus and all peers of a task."""

import csv
import json
from pathlib import Path

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray
from PIL import Image
from prepared import Dataset

from visus.tasks.segmentation.metrics import class_iou, confusion_matrix
from visus.vision.errors import VisusError
from visus.vision.image_files import list_images

SUFFIXES = {"classification": "scores.csv", "detection": "boxes.json", "segmentation": "masks"}
"""The name of the predictions of each task."""


def score(dataset: Dataset, predictions: Path) -> float:
    """The figure of predictions for the validation images, 0 to 1.

    Args:
        dataset: The data set.
        predictions: Classification: a CSV with the columns `path`, relative to the folder of the
            validation images, and one for each class with its scores. Detection: COCO's results
            format. Segmentation: a folder of masks of class ids, named as their images.

    Raises:
        VisusError: If predictions are missing, of unknown images, or of another size.
    """
    functions = {
        "classification": accuracy,
        "detection": mean_average_precision,
        "segmentation": mean_iou,
    }
    return functions[dataset.task](dataset.split("val"), predictions)


def accuracy(images: Path, predictions: Path) -> float:
    """The fraction of images whose highest score is that of their class.

    Args:
        images: Class folders.
        predictions: See `score`.
    """
    expected = {path.relative_to(images).as_posix() for path in list_images(images)}
    with predictions.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    _refuse_others(predictions, expected, [row[0] for row in rows])
    chosen = [header[1:][int(np.argmax([float(v) for v in row[1:]]))] for row in rows]
    return float(np.mean([row[0].split("/")[0] == c for row, c in zip(rows, chosen, strict=True)]))


def mean_average_precision(truth: Path, predictions: Path) -> float:
    """COCO's mean average precision over the IoU thresholds 0.5 to 0.95.

    Args:
        truth: COCO's JSON file.
        predictions: See `score`; images without a detection do not occur.
    """
    results = json.loads(predictions.read_text(encoding="utf-8"))
    content = json.loads(truth.read_text(encoding="utf-8"))
    known = {entry["id"] for entry in content["images"]}
    unknown = {entry["image_id"] for entry in results} - known
    if unknown:
        raise VisusError(f"{predictions}: image_id {min(unknown)} is none of {truth}")
    if not results:
        return 0.0
    for item in content["annotations"]:
        # The library sizes objects by their masks where they have some.
        item.pop("segmentation", None)
    expected = COCO(content)
    evaluation = COCOeval_faster(expected, expected.loadRes(results), "bbox")
    evaluation.run()
    return float(evaluation.stats[0])


def mean_iou(images: Path, predictions: Path) -> float:
    """The mean IoU of the classes over all labelled pixels of the images.

    Args:
        images: The folder `images/<split>` of a data set with masks.
        predictions: See `score`.
    """
    root = images.parent.parent
    classes = len((root / "classes.csv").read_text(encoding="utf-8").splitlines()) - 1
    stems = [path.stem for path in list_images(images)]
    _refuse_others(predictions, set(stems), [path.stem for path in list_images(predictions)])
    total = np.zeros((classes, classes), np.int64)
    for stem in stems:
        true = _read_ids(root / "masks" / images.name / f"{stem}.png")
        predicted = _read_ids(predictions / f"{stem}.png")
        if true.shape != predicted.shape or int(predicted.max()) >= classes:
            raise VisusError(
                f"{predictions / stem}.png: size {predicted.shape}, ids up to {predicted.max()}; "
                f"expected size {true.shape}, ids below {classes}"
            )
        total += confusion_matrix(true, predicted, classes)
    return float(np.nanmean(class_iou(total)))


def _read_ids(path: Path) -> NDArray[np.uint8]:
    """The values of a grey image, or the indices of one with a palette."""
    with Image.open(path) as image:
        return np.asarray(image, np.uint8)


def _refuse_others(place: Path, expected: set[str], found: list[str]) -> None:
    """Refuse predictions that are not one for each image.

    Raises:
        VisusError: If one is missing, unknown or given twice.
    """
    wrong = expected.symmetric_difference(found)
    if wrong or len(found) != len(expected):
        example = f", such as {min(wrong)!r}" if wrong else ""
        raise VisusError(
            f"{place}: {len(found)} predictions for {len(expected)} validation images; missing or "
            f"unknown: {len(wrong)}{example}"
        )
