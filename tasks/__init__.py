"""One LightningModule a task; names are handed on lazily, so that importing this costs nothing."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.base import VisionTask
    from tasks.captioning import CaptioningTask
    from tasks.checkpoints import load_task
    from tasks.classification import ClassificationTask
    from tasks.detection import DetectionTask
    from tasks.face3d import Face3DTask
    from tasks.face_recognition import FaceRecognitionTask
    from tasks.segmentation import SegmentationTask

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
