"""Ultralytics' command line, called as a program: its smallest detector from scratch.

`yolo detect train time=HOURS` plans its epochs and its schedule for the time by itself. Its
pretrained weights are neither those of the other peers nor in any package, so that it starts from
random ones. This script imports nothing of Ultralytics, which is under the AGPL.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from peer import Trial, parse_trial

MODEL = "yolo26n.yaml"
SIDE = 512
BATCH = 8
OUTSIDE = 15.0
"""Seconds of the program outside of its own time limit: imports, labels, storing the model."""
FEW = 4


def run_yolo(folder: Path, *arguments: str) -> None:
    """Run the program of this environment.

    Raises:
        SystemExit: If it fails.
    """
    program = Path(sys.executable).with_name("yolo")
    environment = {**os.environ, "YOLO_CONFIG_DIR": str(folder), "YOLO_OFFLINE": "true"}
    done = subprocess.run([program, *arguments], cwd=folder, env=environment)
    if done.returncode:
        raise SystemExit(f"yolo {' '.join(arguments)}: failed with {done.returncode}")


def write_labels(file: Path, folder: Path, name: str, count: int | None = None) -> dict[str, Any]:
    """Write `labels/<name>` and links in `images/<name>`; returns the content of COCO's JSON.

    Args:
        file: `annotations/instances_<split>.json`, whose images lie in `<split>`.
        folder: Where to write.
        name: The name of the part.
        count: Number of images, the first ones; all by default.
    """
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    split = file.stem.removeprefix("instances_")
    labels, images = folder / "labels" / name, folder / "images" / name
    labels.mkdir(parents=True)
    images.mkdir(parents=True)
    categories = [entry["id"] for entry in content["categories"]]
    lines: dict[int, list[str]] = {entry["id"]: [] for entry in content["images"]}
    sizes = {entry["id"]: (entry["width"], entry["height"]) for entry in content["images"]}
    for item in content["annotations"]:
        if item["iscrowd"]:
            continue
        x, y, width, height = item["bbox"]
        across, down = sizes[item["image_id"]]
        box = ((x + width / 2) / across, (y + height / 2) / down, width / across, height / down)
        label = categories.index(item["category_id"])
        lines[item["image_id"]].append(" ".join([str(label), *(f"{v:.6f}" for v in box)]))
    for entry in content["images"][:count]:
        image = Path(entry["file_name"])
        (images / image.name).symlink_to(file.parent.parent / split / image)
        text = "\n".join(lines[entry["id"]])
        (labels / image.with_suffix(".txt").name).write_text(text, encoding="utf-8")
    return content


def write_list(folder: Path, file: str, val: str, categories: list[dict[str, Any]]) -> None:
    """Write the file that describes a data set to the program; JSON is YAML."""
    names = {i: entry["name"] for i, entry in enumerate(categories)}
    listed = {"path": str(folder), "train": "images/train", "val": f"images/{val}", "names": names}
    (folder / file).write_text(json.dumps(listed), encoding="utf-8")


def train(trial: Trial, folder: Path) -> dict[str, Any]:
    """Train; returns the content of the validation data's file."""
    write_labels(trial.train, folder, "train")
    # The program always validates at the end, twice; its time is better spent in training.
    write_labels(trial.train, folder, "few", FEW)
    content = write_labels(trial.val, folder, "val")
    write_list(folder, "train.yaml", "few", content["categories"])
    write_list(folder, "val.yaml", "val", content["categories"])
    run_yolo(
        folder,
        *("detect", "train", f"model={MODEL}", "data=train.yaml", f"imgsz={SIDE}"),
        *(f"time={trial.left(OUTSIDE) / 3600:.6f}", "epochs=1000", "patience=0"),
        *(f"batch={BATCH}", "device=cpu", "workers=2", f"seed={trial.seed}"),
        *("val=False", "plots=False", f"project={folder}", "name=run", "exist_ok=True"),
    )
    return content


def main() -> None:
    """Train, and write the detections in the validation images."""
    trial = parse_trial(__doc__).trial
    folder = trial.output.parent / "yolo"
    folder.mkdir()
    content = train(trial, folder)
    trial.trained(("ultralytics-opencv-headless", "torch"))
    run_yolo(
        folder,
        *("detect", "val", "model=run/weights/last.pt", "data=val.yaml", f"imgsz={SIDE}"),
        *("batch=1", "device=cpu", "conf=0.001", "save_json=True", "plots=False"),
        *(f"project={folder}", "name=val", "exist_ok=True"),
    )
    ids = {Path(entry["file_name"]).stem: entry["id"] for entry in content["images"]}
    categories = [entry["id"] for entry in content["categories"]]
    results = json.loads((folder / "val" / "predictions.json").read_text(encoding="utf-8"))
    for result in results:
        result["image_id"] = ids[Path(result.pop("file_name")).stem]
        result["category_id"] = categories[result["category_id"] - 1]
    trial.output.write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main()
