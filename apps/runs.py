"""Run folders and models by name: `runs/<task>/<name>/<time>/`, `latest`, files, the manifest."""

import os
from datetime import datetime
from pathlib import Path

from models.weights import MANIFEST, find_weights
from vision.errors import VisusError

RUNS = Path("runs")
_HANDED_ON = "VISUS_RUN_FOLDER"


def create_run_folder(task: str, name: str) -> Path:
    """A new folder for a run.

    The first of several processes makes it and hands it on to those it starts through the
    environment, which is why a folder that was handed on is returned as it is.

    Args:
        task: Stem of the task.
        name: Name of the configuration.
    """
    handed_on = os.environ.get(_HANDED_ON)
    if handed_on and os.environ.get("LOCAL_RANK", "0") != "0":
        return Path(handed_on)
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
    os.environ[_HANDED_ON] = str(folder.resolve())
    return folder


def find_model(model: str) -> Path | str:
    """What MODEL on the command line names.

    Args:
        model: A checkpoint, a run folder, `latest`, an exported `.onnx`, or a name from the
            weights manifest.

    Returns:
        A file, or the manifest's own name.

    Raises:
        VisusError: If it names nothing.
    """
    if model == "latest":
        return latest_checkpoint()
    path = Path(model)
    if path.is_dir():
        return checkpoint_in(path)
    if path.is_file():
        return path
    entry = find_weights(model)
    if entry:
        return entry.name
    names = ", ".join(alias for entry in MANIFEST for alias in (*entry.aliases, entry.name))
    raise VisusError(
        f"model {model!r}: there is no such file, run folder or name; "
        f"give a .ckpt, an .onnx, a run folder, latest, or one of {names}"
    )


def find_checkpoint(model: str) -> Path:
    """The checkpoint that MODEL names.

    Raises:
        VisusError: If it names none.
    """
    found = find_model(model)
    if isinstance(found, str) or found.suffix != ".ckpt":
        raise VisusError(
            f"model {model!r} is no checkpoint; testing and training need a .ckpt, a run folder "
            "or latest"
        )
    return found


def checkpoint_in(folder: Path) -> Path:
    """The best checkpoint of a run folder, or its last where there is no best.

    Raises:
        VisusError: If it holds neither.
    """
    for name in ("best.ckpt", "last.ckpt"):
        if (folder / name).is_file():
            return folder / name
    raise VisusError(f"{folder}: holds no best.ckpt or last.ckpt; name a run folder that does")


def latest_checkpoint() -> Path:
    """The best checkpoint of the newest run that has one.

    Raises:
        VisusError: If there is none below `runs`.
    """
    found = {path.parent for path in RUNS.glob("*/*/*/*.ckpt")}
    if not found:
        raise VisusError(
            f"latest: there is no checkpoint below {RUNS.resolve()}; train one with visus fit, "
            "or change to the folder you trained in"
        )
    return checkpoint_in(max(found, key=lambda folder: (folder.stat().st_mtime_ns, folder.name)))
