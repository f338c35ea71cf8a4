"""Latency of Ultralytics' command line `yolo`, called as a program where it is installed."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.output_files import write_image

_PROGRAM = "yolo"
_SPEED = re.compile(r"Speed: ([\d.]+)ms preprocess, ([\d.]+)ms inference, ([\d.]+)ms postprocess")


def find_yolo() -> str:
    """The path of the program.

    Raises:
        VisusError: If it is not installed.
    """
    program = shutil.which(_PROGRAM)
    if program is None:
        raise VisusError(
            f"--peer: there is no {_PROGRAM} on the PATH; install Ultralytics in an environment of "
            "its own, and put its folder of programs on the PATH"
        )
    return program


def yolo_latency(program: str, model: str, images: Sequence[Pixels]) -> float:
    """Mean latency from an image to its prediction on all cores, in milliseconds.

    Args:
        program: See `find_yolo`.
        model: A model of Ultralytics: a file, or a name that the program knows.
        images: The images.

    Raises:
        VisusError: If the program fails, or does not print its speed.
    """
    name = str(Path(model).resolve()) if Path(model).exists() else model
    with TemporaryDirectory() as folder:
        for i, image in enumerate(images):
            write_image(Path(folder) / "images" / f"{i}.png", image)
        options = (f"model={name}", "source=images", "device=cpu", "save=False")
        command = [program, "predict", *options]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    printed = done.stdout + done.stderr
    speed = _SPEED.search(printed)
    if done.returncode or speed is None:
        reason = (printed.strip() or "it printed nothing").splitlines()[-1]
        raise VisusError(f"--peer {model}: {_PROGRAM} cannot be measured ({reason})")
    return sum(map(float, speed.groups()))
