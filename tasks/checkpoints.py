"""Checkpoints: read without running anything in them, made into tasks, and begun with."""

from pathlib import Path
from typing import Any

import torch

from visus.tasks.base import VisionTask
from visus.vision.errors import VisusError
from visus.vision.metadata import ModelMetadata

_CLASSES = {
    "captioning": "CaptioningTask",
    "classification": "ClassificationTask",
    "detection": "DetectionTask",
    "face3d": "Face3DTask",
    "face_recognition": "FaceRecognitionTask",
    "segmentation": "SegmentationTask",
}


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """A checkpoint that visus wrote, read without running anything in it.

    Raises:
        VisusError: If the file is missing, damaged, carries code, or is not visus's.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise VisusError(f"{path}: there is no such checkpoint; check the path") from None
    except Exception as error:
        # Depending on the damage torch raises EOFError, RuntimeError, UnpicklingError, KeyError...
        detail = str(error)
        if "weights_only" in detail or "Unsupported" in detail:
            raise VisusError(
                f"{path}: refused, it carries code or objects beside weights, none of which was "
                "run; use a checkpoint that visus wrote"
            ) from None
        raise VisusError(f"{path}: truncated or damaged ({type(error).__name__})") from None
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise VisusError(f"{path}: not a training checkpoint; use one that visus wrote")
    metadata = ModelMetadata.from_dict(checkpoint.get("visus"), str(path))
    if metadata.task not in _CLASSES:
        raise VisusError(f"{path}: is of task {metadata.task!r}, which this visus does not know")
    return checkpoint


def begin_with(task: VisionTask, path: str | Path) -> list[str]:
    """Give a task the weights of a trained one, to be trained further on other data.

    Args:
        task: Of the same kind and with the same network.
        path: A checkpoint of visus.

    Returns:
        Names of the tensors that stay as they are, since those of the checkpoint have another
        shape: a last layer for other classes.

    Raises:
        VisusError: If the checkpoint cannot be read, or is of another task or network.
    """
    checkpoint = read_checkpoint(path)
    if checkpoint["visus"]["task"] != task.task:
        raise VisusError(
            f"--start {path}: is of task {checkpoint['visus']['task']!r}; begin with a model of "
            f"task {task.task!r}"
        )
    given, own = checkpoint["state_dict"], task.state_dict()
    others = sorted(given.keys() ^ own.keys())
    if others:
        backbone = checkpoint["visus"].get("arguments", {}).get("backbone")
        raise VisusError(
            f"--start {path}: is another network, only one of the two has {others[0]}; give the "
            f"arguments that it was trained with (--model.backbone {backbone})"
        )
    anew = [name for name, value in own.items() if given[name].shape != value.shape]
    task.load_state_dict({**given, **{name: own[name] for name in anew}})
    return anew


def load_task(path: str | Path) -> VisionTask:
    """The trained task in a checkpoint, on the CPU, in evaluation mode.

    Raises:
        VisusError: If the file is no checkpoint of visus, or its weights do not fit.
    """
    import tasks

    checkpoint = read_checkpoint(path)
    task_class = getattr(tasks, _CLASSES[checkpoint["visus"]["task"]])
    arguments = checkpoint["visus"].get("arguments", {})
    try:
        task: VisionTask = task_class(**{**arguments, "pretrained": False})
        task.load_state_dict(checkpoint["state_dict"])
    except (TypeError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise VisusError(f"{path}: its weights do not fit its own description ({reason})") from None
    return task.eval()
