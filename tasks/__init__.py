"""One LightningModule a task; names are handed on lazily, so that importing this costs nothing."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visus.tasks.base import VisionTask
    from visus.tasks.captioning.task import CaptioningTask
    from visus.tasks.checkpoints import load_task
    from visus.tasks.classification.task import ClassificationTask
    from visus.tasks.detection.task import DetectionTask
    from visus.tasks.face3d.task import Face3DTask
    from visus.tasks.face_recognition.task import FaceRecognitionTask
    from visus.tasks.segmentation.task import SegmentationTask

_HOMES = {
    "CaptioningTask": "tasks.captioning",
    "ClassificationTask": "tasks.classification",
    "DetectionTask": "tasks.detection",
    "Face3DTask": "tasks.face3d",
    "FaceRecognitionTask": "tasks.face_recognition",
    "SegmentationTask": "tasks.segmentation",
    "VisionTask": "tasks.base",
    "load_task": "tasks.checkpoints",
}

__all__ = [
    "CaptioningTask",
    "ClassificationTask",
    "DetectionTask",
    "Face3DTask",
    "FaceRecognitionTask",
    "SegmentationTask",
    "VisionTask",
    "load_task",
]


def __getattr__(name: str) -> Any:
    """Import a name's home on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tasks' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
