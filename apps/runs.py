"""Run folders and models by name: `runs/<task>/<name>/<time>/`, `latest`, files, weights."""

import os
import re
import sys
from datetime import datetime
from functools import cache
from pathlib import Path

from visus.apps.launched import is_first_process
from visus.apps.parsing import did_you_mean
from visus.apps.windows_paths import refuse_windows_path
from visus.tasks.registry import all_weights, find_weights, task_specs
from visus.vision.errors import VisusError
from visus.vision.printable import printable

RUNS = Path("runs")
BUNDLE = "bundle.json"
"""The file that makes a folder an exported pipeline."""

_RUN_FOLDER = "VISUS_RUN_FOLDER"

_FOREIGN = frozenset({".pt", ".pth"})
"""Endings of the names of other libraries' models."""


def create_run_folder(task: str, name: str) -> Path:
    """Create the folder of a run.

    With several processes the first one creates it, and writes all files. Processes that it starts
    find it in an environment variable; others, such as those on other machines, do not know it.

    Args:
        task: Name of the task.
        name: Name of the configuration.
    """
    inherited = os.environ.get(_RUN_FOLDER)
    if not is_first_process():
        return Path(inherited) if inherited else RUNS / task / name / "of the first process"
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = RUNS / task / name / stamp
    attempt = 1
    while True:
        try:
            folder.mkdir(parents=True)
            break
        except FileExistsError:
            attempt += 1
            folder = folder.with_name(f"{stamp}-{attempt}")
    os.environ[_RUN_FOLDER] = str(folder.resolve())
    return folder


def find_model(model: str, prefer: str = "best") -> Path | str:
    """Find the model that MODEL on the command line names.

    Args:
        model: A checkpoint, a run folder, `latest`, an exported file or folder, or a
            name from the weights manifest.
        prefer: `best` or `last`: which checkpoint of a run.

    Returns:
        A file, or the name of ready-made weights.

    Raises:
        VisusError: If there is none.
    """
    if model == "latest":
        return latest_checkpoint(prefer)
    path = Path(model)
    entry = find_weights(model)
    ready_made = entry.name if entry and entry.task else None
    if path.is_dir():
        if (path / BUNDLE).is_file():
            return path / BUNDLE
        # A folder of images may be called as a ready-made model; the model is meant.
        if ready_made is None or any(path.glob("*.ckpt")):
            return checkpoint_in(path, prefer)
    if path.suffix.lower() in _FOREIGN or re.match(r"yolo[\w-]*$", path.name, re.IGNORECASE):
        raise VisusError(
            f"model {model!r}: visus runs no models of other libraries, whose files hold program "
            "code; visus predict coco IMAGE finds objects at once, and visus fit --data FOLDER "
            "trains on YOLO, COCO and VOC data sets as they are"
        )
    if path.is_file():
        return path
    if ready_made:
        return ready_made
    for spec in task_specs().values():
        if model in spec.not_shipped:
            raise VisusError(f"model {model!r}: {spec.not_shipped[model]}")
    refuse_windows_path(model, "model")
    usable = [entry for entry in all_weights() if entry.task]
    names = [alias for entry in usable for alias in (*entry.aliases, entry.name)]
    remedy = did_you_mean(model, ["latest", *names])
    if not remedy:
        remedy = f"; give a .ckpt, an .onnx, a run folder, latest, or one of {', '.join(names)}"
    raise VisusError(f"model {model!r}: there is no such file, run folder or name{remedy}")


def lasting_name(model: str) -> str:
    """The name by which a model is found again; `latest` may be another run later.

    Raises:
        VisusError: If there is no such model.
    """
    found = find_model(model)
    if isinstance(found, Path):
        return str(found.parent if found.name == BUNDLE else found)
    return model


def find_checkpoint(model: str, prefer: str = "best") -> Path:
    """The checkpoint that MODEL names; of a run the `best` or the `last`.

    Some ready-made models are checkpoints.

    Raises:
        VisusError: If it names none.
    """
    found = find_model(model, prefer)
    entry = find_weights(found) if isinstance(found, str) else None
    if entry is not None and entry.recipe:
        return entry.path()
    if isinstance(found, str) or found.suffix.lower() != ".ckpt":
        raise VisusError(
            f"model {model!r} is not a checkpoint; testing and training need a .ckpt, a run folder "
            "or latest"
        )
    return found


def checkpoint_in(folder: Path, prefer: str = "best") -> Path:
    """The preferred checkpoint of a run folder, or the other where that is missing.

    Raises:
        VisusError: If it holds neither.
    """
    for name in (f"{prefer}.ckpt", "best.ckpt", "last.ckpt"):
        if (folder / name).is_file():
            return folder / name
    raise VisusError(f"{folder}: holds neither best.ckpt nor last.ckpt; name a run folder")


def latest_checkpoint(prefer: str = "best") -> Path:
    """The preferred checkpoint of the newest run that has one.

    Where there are runs of several tasks, the chosen one is printed.

    Raises:
        VisusError: If there is none below `runs`.
    """
    found = {path.parent for path in RUNS.glob("*/*/*/*.ckpt")}
    if not found:
        raise VisusError(
            f"latest: there is no checkpoint below {RUNS.resolve()}; train one with visus fit, "
            "or change to the folder you trained in"
        )
    newest = max(found, key=lambda folder: (_trained_at(folder), folder.name))
    if len({folder.parts[-3] for folder in found}) > 1:
        _print_latest(newest)
    return checkpoint_in(newest, prefer)


def _trained_at(folder: Path) -> int:
    """When a run was trained last; reports and compressed models are written later."""
    times = [path.stat().st_mtime_ns for path in folder.glob("last.ckpt")]
    return max(times or [path.stat().st_mtime_ns for path in folder.glob("*.ckpt")])


@cache
def _print_latest(folder: Path) -> None:
    """Print which run `latest` is, once."""
    print(printable(f"visus: latest is {folder}"), file=sys.stderr)
