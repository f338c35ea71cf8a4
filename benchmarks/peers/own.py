"""The entry of visus: `visus fit --budget`, then `visus predict` on the validation images."""

import csv
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from prepared import Dataset

from visus.vision.errors import VisusError

_PROGRAM = str(Path(sys.executable).with_name("visus"))


def train(
    dataset: Dataset,
    options: Sequence[str],
    minutes: float,
    seed: int,
    folder: Path,
    log: TextIO,
) -> float:
    """Train within a time; returns the seconds that the process took.

    Args:
        dataset: The data.
        options: Options of `visus fit` beside those of the trial.
        minutes: The time.
        seed: Seed of all random numbers.
        folder: The working folder of the run.
        log: Where the output of the process is written.

    Raises:
        VisusError: If it fails.
    """
    command = [_PROGRAM, "fit", *options, "--data", str(dataset.root)]
    command += ["--seed_everything", str(seed)]
    start = time.perf_counter()
    _run([*command, "--budget", f"{60 * minutes:g}s"], folder, log)
    return time.perf_counter() - start


def predict(dataset: Dataset, folder: Path, output: Path, log: TextIO) -> None:
    """Write predictions as `scores.score` reads them.

    Args:
        dataset: The data.
        folder: The working folder of the run.
        output: The predictions.
        log: Where the output of the process is written.

    Raises:
        VisusError: If there is no trained model, or prediction fails.
    """
    checkpoints = sorted(folder.glob("runs/**/last.ckpt"))
    if len(checkpoints) != 1:
        raise VisusError(f"{folder / 'runs'}: {len(checkpoints)} last.ckpt, expected one")
    images = dataset.images("val")
    command = [_PROGRAM, "predict", str(checkpoints[0]), str(images)]
    if dataset.task == "segmentation":
        _run([*command, "--masks", str(output)], folder, log)
        return
    lines = folder / "predictions.jsonl"
    options = ["--threshold", "0"] if dataset.task == "detection" else []
    _run([*command, "--jsonl", str(lines), *options], folder, log)
    rows = map(json.loads, lines.read_text(encoding="utf-8").splitlines())
    if dataset.task == "classification":
        _write_scores(images, rows, output)
    else:
        truth = json.loads(dataset.split("val").read_text(encoding="utf-8"))
        output.write_text(json.dumps(list(_results(truth, rows))), encoding="utf-8")


def _write_scores(images: Path, rows: Iterator[dict[str, Any]], output: Path) -> None:
    """Write the lines of JSON of a classifier as a CSV."""
    names = sorted(path.name for path in images.parent.joinpath("train").iterdir())
    with output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", *names])
        for row in rows:
            scores = {entry["label"]: entry["score"] for entry in row["classes"]}
            path = Path(row["source"]).relative_to(images).as_posix()
            writer.writerow([path, *(scores[name] for name in names)])


def _results(truth: dict[str, Any], rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The lines of JSON of a detector in COCO's results format."""
    images = {entry["file_name"]: entry["id"] for entry in truth["images"]}
    categories = {entry["name"]: entry["id"] for entry in truth["categories"]}
    for row in rows:
        for item in row["detections"]:
            x1, y1, x2, y2 = item["box"]
            yield {
                "image_id": images[Path(row["source"]).name],
                "category_id": categories[item["label"]],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "score": item["score"],
            }


def _run(command: list[str], folder: Path, log: TextIO) -> None:
    log.write(f"$ {' '.join(command)}\n")
    log.flush()
    done = subprocess.run(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    if done.returncode:
        raise VisusError(f"visus {command[1]} ended with {done.returncode}; see {log.name}")
