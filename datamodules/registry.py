"""Finds the data of all tasks: in the folders beside this file, and in installed packages."""

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from visus.datamodules.core.spec import DataSpec
from visus.vision.errors import VisusError

ENTRY_POINTS = "visus.datamodules"
"""The entry-point group under which a package registers a subclass of `DataSpec`."""


@cache
def data_specs() -> dict[str, DataSpec]:
    """The data of all tasks, by the task's name."""
    folders = sorted(path.parent.name for path in Path(__file__).parent.glob("*/spec.py"))
    modules = [f"visus.datamodules.{folder}.spec" for folder in folders if folder != "core"]
    specs = [
        value()
        for module in modules
        for value in vars(import_module(module)).values()
        if isinstance(value, type) and issubclass(value, DataSpec) and value.__module__ == module
    ]
    specs += [entry.load()() for entry in entry_points(group=ENTRY_POINTS)]
    return {spec.task: spec for spec in specs}


def data_spec(task: str) -> DataSpec:
    """The data of a task.

    Raises:
        VisusError: If there is none.
    """
    found = data_specs().get(task)
    if found is None:
        raise VisusError(f"task {task!r} has no data to check; known: {', '.join(data_specs())}")
    return found


def recognise(path: Path) -> tuple[DataSpec, str]:
    """Which task's data a path holds.

    Args:
        path: A folder or a file.

    Returns:
        The task's data, and what was recognised.

    Raises:
        VisusError: If it holds nothing that is known, or the data of several tasks.
    """
    if not path.exists():
        raise VisusError(f"{path}: there is no such folder or file; check the path")
    for fallback in (False, True):
        specs = [spec for spec in data_specs().values() if spec.fallback == fallback]
        found = [(spec, what) for spec in specs if (what := spec.recognise(path))]
        if len(found) == 1:
            return found[0]
        if found:
            holds = " and ".join(what for _, what in found)
            tasks = " or ".join(spec.task for spec, _ in found)
            raise VisusError(f"{path}: holds {holds}; say --task {tasks}")
    raise VisusError(
        f"{path}: holds no data that visus recognises; give a folder of class folders, a CSV, "
        "labels of boxes (COCO, VOC, YOLO), images with masks, or captions"
    )


def migrate_data(stored: dict[str, Any], format: int) -> dict[str, Any]:
    """The stored data module of an earlier checkpoint format in the current one.

    Args:
        stored: `class_path` and `init_args`.
        format: The checkpoint's format.
    """
    if format < 2:
        arguments = stored.get("init_args") or {}
        renamed = {{"fit_mode": "resize_mode"}.get(k, k): v for k, v in arguments.items()}
        path = stored["class_path"]
        return {"class_path": _CLASS_PATHS_1.get(path, path), "init_args": renamed}
    return stored


_CLASS_PATHS_1 = {
    "datamodules.CIFAR10Data": "visus.datamodules.classification.arrays.CIFAR10Data",
    "datamodules.DigitsData": "visus.datamodules.classification.arrays.DigitsData",
    "datamodules.FashionMNISTData": "visus.datamodules.classification.arrays.FashionMNISTData",
    "datamodules.ScenesClassData": "visus.datamodules.classification.arrays.ScenesClassificationData",
    "datamodules.PictureClassData": "visus.datamodules.classification.data.ImageClassificationData",
    "datamodules.PictureDetectionData": "visus.datamodules.detection.data.ImageDetectionData",
    "datamodules.ScenesDetectionData": "visus.datamodules.detection.scenes.ScenesDetectionData",
    "datamodules.PictureSegmentationData": "visus.datamodules.segmentation.data.ImageSegmentationData",
    "datamodules.ScenesSegmentationData": "visus.datamodules.segmentation.scenes.ScenesSegmentationData",
    "datamodules.OxfordPetData": "visus.datamodules.segmentation.downloads.OxfordPetData",
    "datamodules.VOCSegmentationData": "visus.datamodules.segmentation.downloads.VOCSegmentationData",
    "datamodules.PictureCaptioningData": "visus.datamodules.captioning.data.ImageCaptioningData",
    "datamodules.ScenesCaptioningData": "visus.datamodules.captioning.scenes.ScenesCaptioningData",
    "datamodules.PeopleData": "visus.datamodules.face_recognition.data.PeopleData",
    "datamodules.FaceRendersData": "visus.datamodules.face3d.data.FaceRendersData",
}
"""Where the classes of format 1 are now."""
