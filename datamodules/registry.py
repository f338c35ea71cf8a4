"""Registry of the data of all tasks: those of this package and of installed packages."""

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from visus.datamodules.core.shards.location import is_shards
from visus.datamodules.core.spec import DataSpec
from visus.vision.entry_points import load_entry_point
from visus.vision.errors import VisusError
from visus.vision.image_files import folders_listed_once

ENTRY_POINTS = "visus.datamodules"
"""The entry-point group under which a package registers a subclass of `DataSpec`."""


@cache
def data_specs() -> dict[str, DataSpec]:
    """The data of all tasks, by the task's name.

    Raises:
        VisusError: If two packages register data of one task.
    """
    folders = sorted(path.parent.name for path in Path(__file__).parent.glob("*/spec.py"))
    modules = [f"visus.datamodules.{folder}.spec" for folder in folders if folder != "core"]
    listed = [
        value()
        for module in modules
        for value in vars(import_module(module)).values()
        if isinstance(value, type) and issubclass(value, DataSpec) and value.__module__ == module
    ]
    listed += [load_entry_point(entry) for entry in entry_points(group=ENTRY_POINTS)]
    specs: dict[str, DataSpec] = {}
    for spec in listed:
        if spec.task in specs:
            raise VisusError(
                f"two packages have data of task {spec.task!r}; uninstall one of the two"
            )
        specs[spec.task] = spec
    return specs


def data_spec(task: str) -> DataSpec:
    """The data of a task.

    Raises:
        VisusError: If no task of that name has data.
    """
    spec = data_specs().get(task)
    if spec is None:
        raise VisusError(
            f"task {task!r} is unknown or has no data to check; known: {', '.join(data_specs())}"
        )
    return spec


@folders_listed_once()
def recognise(root: Path | str) -> tuple[DataSpec, str]:
    """Recognise the task of a data set.

    Args:
        root: A folder, a file, or the address of a data set in shards.

    Returns:
        The task's data, and the name of the recognised layout.

    Raises:
        VisusError: If the path is missing, or holds no data of any task or those of several.
    """
    if is_shards(root):
        # Imported late: the specifications of the data need no NumPy.
        from visus.datamodules.core.shards.index import ShardIndex

        return data_spec(ShardIndex(str(root)).header.task), "shards"
    path = Path(root)
    if not path.exists():
        raise VisusError(f"{path}: there is no such folder or file; check the path")
    for fallback in (False, True):
        specs = [spec for spec in data_specs().values() if spec.fallback == fallback]
        matches = [(spec, layout) for spec in specs if (layout := spec.recognise(path))]
        if len(matches) == 1:
            return matches[0]
        if matches:
            layouts = " and ".join(layout for _, layout in matches)
            tasks = [spec.task for spec, _ in matches]
            raise VisusError(
                f"{path}: holds {layouts}; choose the task, with --task {' or '.join(tasks)}, or "
                f"for training with --config {' or '.join(f'{task}/custom' for task in tasks)}"
            )
    raise VisusError(f"{path}: {_missing(path)}")


def _missing(path: Path) -> str:
    """What a path lacks to be a data set, and the remedy."""
    from visus.vision.csv_files import csv_columns
    from visus.vision.image_files import list_images

    if path.is_file():
        columns = "path,label for classes, path,mask for masks or image,caption for captions"
        if path.suffix.lower() != ".csv":
            return f"is no data set; give a folder, or a CSV with the columns {columns}"
        given = ",".join(sorted(csv_columns(path))) or "not readable"
        return f"its columns are {given}; they must include {columns}, separated by commas"
    name = path.resolve().name
    folders = f"a folder for each class, such as {name}/cat/1.jpg and {name}/dog/2.jpg"
    if not list_images(path):
        return f"holds no images; put images into {folders} (docs/classification.md)"
    listed = next(iter(sorted(path.glob("*.csv"))), None)
    if listed is not None:
        columns = ",".join(sorted(csv_columns(listed))) or "not readable"
        return (
            f"holds images without labels; the columns of {listed.name} are {columns}: name those "
            f"of images and classes path,label, separate them by commas, and give {listed}"
        )
    return (
        f"holds images without labels; sort them into {folders} (docs/classification.md), list "
        "them in a labels.csv with the columns path,label, or add labels of boxes (COCO, Pascal "
        "VOC, YOLO), masks or captions"
    )


def migrate_data(stored: dict[str, Any], format: int) -> dict[str, Any]:
    """Migrate the data module that a checkpoint stores to the current format.

    Args:
        stored: Its `class_path` and `init_args`.
        format: The format of the checkpoint.
    """
    if format < 2:
        arguments = stored.get("init_args") or {}
        renamed = {_ARGUMENTS_1.get(key, key): value for key, value in arguments.items()}
        package, _, name = stored["class_path"].rpartition(".")
        path = stored["class_path"]
        if package == "datamodules" and name in _CLASSES_1:
            path = f"visus.datamodules.{_CLASSES_1[name]}"
        return {"class_path": path, "init_args": renamed}
    return stored


_ARGUMENTS_1 = {
    "fit_mode": "resize_mode",
    "captions_per_picture": "captions_per_image",
    "pictures_per_person": "images_per_person",
}
"""New names of the constructor arguments of format 1."""

_CLASSES_1 = {
    "CIFAR10Data": "classification.arrays.CIFAR10Data",
    "DigitsData": "classification.arrays.DigitsData",
    "FashionMNISTData": "classification.arrays.FashionMNISTData",
    "ScenesClassData": "classification.arrays.ScenesClassificationData",
    "PictureClassData": "classification.data.ImageClassificationData",
    "PictureDetectionData": "detection.data.ImageDetectionData",
    "ScenesDetectionData": "detection.scenes.ScenesDetectionData",
    "PictureSegmentationData": "segmentation.data.ImageSegmentationData",
    "ScenesSegmentationData": "segmentation.scenes.ScenesSegmentationData",
    "OxfordPetData": "segmentation.downloads.OxfordPetData",
    "VOCSegmentationData": "segmentation.downloads.VOCSegmentationData",
    "PictureCaptioningData": "captioning.data.ImageCaptioningData",
    "ScenesCaptioningData": "captioning.scenes.ScenesCaptioningData",
    "PeopleData": "face_recognition.data.PeopleData",
    "FaceRendersData": "face3d.data.FaceRendersData",
}
"""Current module and name of the data modules of format 1."""
