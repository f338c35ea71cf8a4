"""One fixed split of a data set, in one form that visus and all peers of its task read."""

import csv
import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from visus.datamodules.classification.data import ImageClassificationData
from visus.datamodules.detection.convert import convert
from visus.datamodules.detection.data import ImageDetectionData
from visus.datamodules.segmentation.data import ImageSegmentationData
from visus.datamodules.segmentation.dataset import read_masked
from visus.vision.errors import VisusError
from visus.vision.masks import IGNORE, mask_to_png

SPLITS = ("train", "val")


@dataclass(frozen=True)
class Dataset:
    """A prepared data set.

    Attributes:
        task: Its task.
        name: The name of the folder that it was made from.
        root: Its own folder.
    """

    task: str
    name: str
    root: Path

    def split(self, split: str) -> Path:
        """What stands for `train` or `val`.

        A folder of class folders, COCO's JSON file, or a folder of images whose masks lie in
        `masks` beside `images`.
        """
        places = {
            "classification": self.root / split,
            "detection": self.root / "annotations" / f"instances_{split}.json",
            "segmentation": self.root / "images" / split,
        }
        return places[self.task]

    def images(self, split: str) -> Path:
        """The folder of the images of a split."""
        return self.root / split if self.task == "detection" else self.split(split)


def prepare(task: str, source: Path, folder: Path, ignore: int = IGNORE) -> Dataset:
    """Copy the training and validation images of a data set into one form, unless that is done.

    Args:
        task: Its task.
        source: The data set, in any layout of visus; without a `val` split the hold-out of
            `visus fit` becomes one.
        folder: Where prepared data sets are stored.
        ignore: The value of unlabelled pixels in masks.

    Raises:
        VisusError: If the data set cannot be read, or another one of its name is prepared there.
    """
    dataset = Dataset(task, source.resolve().name, folder / f"{task}-{source.resolve().name}")
    origin: dict[str, object] = {"source": str(source.resolve())}
    if task == "segmentation":
        origin["ignore"] = ignore
    # Beside the data, as visus reports files in them that it does not read.
    marker = dataset.root.with_name(f"{dataset.root.name}.json")
    if marker.is_file():
        found = json.loads(marker.read_text(encoding="utf-8"))
        if found != origin:
            raise VisusError(
                f"{dataset.root}: was made from {found}; remove it, or rename {source}"
            )
        return dataset
    if dataset.root.exists():
        shutil.rmtree(dataset.root)
    writers: dict[str, Callable[[Path, Path], None]] = {
        "classification": _write_classes,
        "detection": _write_boxes,
        "segmentation": partial(_write_masks, ignore=ignore),
    }
    writers[task](source, dataset.root)
    marker.write_text(json.dumps(origin), encoding="utf-8")
    return dataset


def _write_classes(source: Path, root: Path) -> None:
    data = ImageClassificationData(str(source), skip_bad=True)
    if data.multi_label:
        raise VisusError(f"{source}: has several labels an image, which the peers do not train on")
    for split in SPLITS:
        for i, sample in enumerate(data.splits[split]):
            _copy(sample.path, root / split / sample.labels[0] / _numbered(i, sample.path))


def _write_boxes(source: Path, root: Path) -> None:
    data = ImageDetectionData(str(source), skip_bad=True)
    images = tuple(
        replace(
            image,
            split=split,
            # Difficult objects are ignored in evaluation; COCO's format knows crowds only.
            objects=tuple(replace(item, crowd=item.ignored) for item in image.objects),
        )
        for split in SPLITS
        for image in data.splits[split]
    )
    convert(replace(data.listing, samples=images), "coco", root)


def _write_masks(source: Path, root: Path, ignore: int) -> None:
    data = ImageSegmentationData(str(source), ignore=ignore, skip_bad=True)
    table = data.listing.classes
    for split in SPLITS:
        for i, image in enumerate(data.splits[split]):
            name = _numbered(i, image.path)
            _copy(image.path, root / "images" / split / name)
            mask = root / "masks" / split / f"{Path(name).stem}.png"
            mask.parent.mkdir(parents=True, exist_ok=True)
            mask.write_bytes(mask_to_png(read_masked(image, table)[1]))
    _write_rows(root / "classes.csv", [["name"], *([name] for name in table.names)])


def _numbered(index: int, path: Path) -> str:
    """A name that is unique where images of several folders share one."""
    return f"{index:06d}_{path.name}"


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def _write_rows(path: Path, rows: Iterable[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
