"""Read checkpoints without running code in them, and load tasks and initial weights from them."""

import zipfile
from pathlib import Path
from typing import Any

from visus.models.weights_file import load_plain
from visus.tasks.base import VisionTask
from visus.tasks.checkpoint_files import refuse_altered_weights
from visus.tasks.compressed import set_channels
from visus.tasks.data_info import info_from_plain
from visus.tasks.registry import task_spec
from visus.vision.errors import VisusError
from visus.vision.metadata import FORMAT, ModelMetadata, migrate


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of visus without running code in it, and migrate it to the current format.

    Raises:
        VisusError: If the file is missing, damaged, contains code, or was not written by visus;
            if its weights are not those that were saved, or not finite.
    """
    try:
        checkpoint = load_plain(path)
        # torch does not compare the checksums of the archive, which cover the optimiser's state.
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except FileNotFoundError:
        raise VisusError(f"{path}: there is no such checkpoint; check the path") from None
    except VisusError:
        raise
    except Exception as error:
        # Depending on the damage torch raises EOFError, RuntimeError, UnpicklingError, KeyError...
        raise VisusError(f"{path}: truncated or damaged ({type(error).__name__})") from None
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise VisusError(f"{path}: not a training checkpoint; use one that visus wrote")
    if damaged is not None:
        raise VisusError(f"{path}: damaged, {damaged} in it was altered; use another copy")
    stored: Any = checkpoint.get("visus")
    refuse_altered_weights(checkpoint["state_dict"], stored, path)
    metadata = ModelMetadata.from_dict(stored, str(path))
    spec = task_spec(metadata.task, str(path))
    if stored["format"] != FORMAT:
        migrated = migrate(stored, str(path))
        if "arguments" in migrated:
            arguments = spec.migrate_arguments(dict(migrated["arguments"]), stored["format"])
            migrated["arguments"] = arguments
        migrated["migrated_from"] = stored["format"]
        checkpoint["visus"] = migrated
        weights = spec.migrate_weights(checkpoint["state_dict"], stored["format"])
        checkpoint["state_dict"] = weights
    return checkpoint


def load_initial_weights(task: VisionTask, path: str | Path) -> list[str]:
    """Initialise a task with the weights of a trained one.

    The layers get the channels of a compressed model.

    Args:
        task: A task of the same kind, with the same network.
        path: A checkpoint of visus.

    Returns:
        Names of the tensors that keep their random values, because those of the checkpoint have
        another shape, such as a last layer for other classes.

    Raises:
        VisusError: If the checkpoint cannot be read, or is of another task or network.
    """
    checkpoint = read_checkpoint(path)
    name = checkpoint["visus"]["task"]
    if name != task.spec.name:
        raise VisusError(
            f"--init-from {path}: is of task {name!r}; use a model of task {task.spec.name!r}"
        )
    given, own = checkpoint["state_dict"], task.state_dict()
    others = sorted(given.keys() ^ own.keys())
    if others:
        backbone = checkpoint["visus"].get("arguments", {}).get("backbone")
        raise VisusError(
            f"--init-from {path}: is another network, only one of the two has {others[0]}; give "
            f"the arguments that it was trained with (--model.backbone {backbone})"
        )
    set_channels(task, checkpoint["visus"].get("channels", {}))
    own = task.state_dict()
    reset = [name for name, value in own.items() if given[name].shape != value.shape]
    task.load_state_dict({**given, **{name: own[name] for name in reset}})
    task.backbone_is_trained = True
    return reset


def load_task(path: str | Path) -> VisionTask:
    """The trained task in a checkpoint, on the CPU, in evaluation mode.

    Raises:
        VisusError: If the file is not a checkpoint of visus, or its weights do not match the task.
    """
    checkpoint = read_checkpoint(path)
    stored = checkpoint["visus"]
    spec = task_spec(stored["task"])
    arguments = dict(stored.get("arguments", {}))
    try:
        info = info_from_plain(spec.data_info, arguments.pop("data_info"))
        task = spec.lightning_class()(**{**arguments, "data_info": info, "pretrained": False})
        set_channels(task, stored.get("channels", {}))
        task.load_state_dict(checkpoint["state_dict"])
    except VisusError as error:
        raise VisusError(f"{path}: its arguments are refused: {error}") from None
    except (KeyError, TypeError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise VisusError(
            f"{path}: its weights do not match its own description ({reason})"
        ) from None
    return task.eval()
