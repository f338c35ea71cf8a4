"""Figures that must stay: accuracy, parity, speed ratios; compared with the committed ones.

Run `make figures` before and after a change. It trains every task at a reduced size with a fixed
seed on generated and packaged data, exports what it trained, and measures the live loop and the
start of the command. Accuracy and parity are compared with `benchmarks/figures.json`; ratios of
speeds, which depend on the machine, are printed beside them. `--write` replaces the committed
figures.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

COMMITTED = Path(__file__).with_name("figures.json")
VISUS = str(Path(sys.executable).with_name("visus"))
TOLERANCE = 0.02
"""Tolerance of figures from 0 to 1: rounding differs by processor, and training amplifies it."""


@dataclass(frozen=True)
class Training:
    """One training at a reduced size.

    Attributes:
        config: The configuration.
        arguments: Arguments that reduce its size.
        figures: The test figures that are compared.
        export: The exported file's name; empty for none.
    """

    config: str
    arguments: str
    figures: tuple[str, ...]
    export: str = "m.onnx"


TRAININGS = (
    Training("classification/digits", "--trainer.max_epochs 8", ("accuracy", "macro_f1", "loss")),
    Training(
        "classification/scenes",
        "--data.count 400 --trainer.max_epochs 2 --trainer.precision 32-true",
        ("accuracy", "loss"),
    ),
    Training(
        "detection/scenes",
        "--data.count 240 --data.image_size [128,128] --trainer.max_epochs 2",
        ("map", "map_50"),
    ),
    Training(
        "segmentation/scenes",
        "--data.count 160 --data.image_size [128,128]",
        ("miou", "pixel_accuracy"),
    ),
    Training(
        "captioning/scenes",
        "--data.count 320 --data.image_size [96,96] --trainer.max_epochs 2",
        ("cider_d", "bleu_4"),
    ),
    Training(
        "face_recognition/custom",
        "--data people --data.align false --data.image_size [64,64] --trainer.max_epochs 4",
        ("verification_accuracy", "eer"),
        "",
    ),
    Training(
        "face3d/synthetic",
        "--data.face_model procedural --data.components 8 --data.expressions [jawOpen] "
        "--data.count 320 --data.image_size [64,64] --trainer.max_epochs 2",
        ("landmark_nme", "vertex_error_mm"),
        "",
    ),
)


def run(*words: str, **environment: str) -> str:
    """Run a command of visus; returns what it printed."""
    done = subprocess.run(
        [VISUS, *words], capture_output=True, text=True, env={**os.environ, **environment}
    )
    if done.returncode:
        raise RuntimeError(f"visus {' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def train(training: Training) -> dict[str, Any]:
    """Train, test and export; returns the figures, and the hash of the weights."""
    arguments = training.arguments.split()
    run("fit", "--config", training.config, *arguments, "--data.num_workers", "0")
    checkpoint = max(Path().glob("runs/*/*/*/last.ckpt"), key=lambda path: path.stat().st_mtime_ns)
    folder = str(checkpoint.parent)
    run("test", folder)
    tested = max(Path().glob("runs/*/*/*/metrics.json"), key=lambda path: path.stat().st_mtime_ns)
    measured = json.loads(tested.read_text())["metrics"]
    figures: dict[str, Any] = {
        f"{training.config} {name}": round(measured[f"test/{name}"], 4) for name in training.figures
    }
    figures[f"{training.config} weights"] = weights_hash(checkpoint)
    if training.export:
        table = run("export", folder, "--output", training.export)
        for runtime, agreement in re.findall(r"│ (\w+)\s+│[^│]+│\s*(\d+)%", table):
            figures[f"{training.config} same answers in {runtime}"] = int(agreement) / 100
    return figures


def weights_hash(checkpoint: Path) -> str:
    """The beginning of a hash of all tensors of a checkpoint."""
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")["state_dict"]
    digest = hashlib.sha256()
    for key in sorted(state):
        digest.update(state[key].contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def speed_ratios() -> dict[str, float]:
    """Ratios of the exported runtimes, the loop and the start-up to their references."""
    from visus.apps.inference.backends import installed_runtimes
    from visus.apps.inference.loading import load_model
    from visus.apps.live.cameras import Camera
    from visus.apps.live.loop import run_loop
    from visus.apps.live.sources.files import ImageSource
    from visus.vision.output_files import write_image
    from visus.vision.scenes import make_scene

    images = [make_scene(seed, (240, 320)).image for seed in range(60)]
    paths = [Path("frames") / f"{i:03d}.png" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        write_image(path, image)
    run("export", "imagenet", "--output", "imagenet.onnx")
    ratios = {}
    torch_time = _seconds(load_model("imagenet", "torch"), images)
    for runtime in installed_runtimes():
        model = load_model("imagenet.onnx", runtime)
        alone = _seconds(model, images)
        ratios[f"torch / {runtime}, time an image"] = round(torch_time / alone, 2)
        start = time.perf_counter()
        run_loop([Camera(ImageSource(paths), model)])
        looped = time.perf_counter() - start
        ratios[f"network alone / loop with decoding, {runtime}"] = round(
            alone * len(images) / looped, 2
        )
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    middle = time.perf_counter()
    run("--help")
    ratios["visus --help / import torch"] = round(
        (time.perf_counter() - middle) / (middle - begin), 3
    )
    return ratios


def _seconds(model: Any, images: list[Any]) -> float:
    """Mean time of a prediction."""
    for image in images[:5]:
        model.predict(image)
    start = time.perf_counter()
    for image in images:
        model.predict(image)
    return (time.perf_counter() - start) / len(images)


def compare(figures: dict[str, Any], committed: dict[str, Any]) -> list[str]:
    """Print both; returns the figures that changed by more than the tolerance."""
    changed = []
    for name in sorted({*figures, *committed}):
        now, before = figures.get(name), committed.get(name)
        note = ""
        if isinstance(now, str):
            note = "" if now == before else "other weights"
        elif now is None or before is None:
            note = "new" if before is None else "gone"
            changed += [name] if now is None else []
        elif abs(now - before) > TOLERANCE * max(1.0, abs(before)):
            note = "CHANGED"
            changed.append(name)
        print(f"{name:<60} {before!s:>18} {now!s:>18}  {note}")
    return changed


def main() -> int:
    """Measure, print, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--write", action="store_true", help="replace the committed figures")
    args = parser.parse_args()
    began = time.perf_counter()
    figures: dict[str, Any] = {}
    here = Path.cwd()
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            run("data", "samples", ".")
            for training in TRAININGS:
                figures |= train(training)
            ratios = speed_ratios()
        finally:
            os.chdir(here)
    minutes = round((time.perf_counter() - began) / 60, 1)
    committed = json.loads(COMMITTED.read_text()) if COMMITTED.exists() else {"figures": {}}
    print(f"{'figure':<60} {'committed':>18} {'now':>18}")
    changed = compare(figures, committed["figures"])
    print()
    for name, ratio in ratios.items():
        print(f"{name:<60} {committed.get('ratios', {}).get(name)!s:>18} {ratio!s:>18}")
    print(f"\n{minutes} minutes on {os.cpu_count()} cores ({platform.processor() or 'CPU'})")
    if args.write:
        content = {"figures": figures, "ratios": ratios, "minutes": minutes}
        COMMITTED.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    elif changed:
        print(f"changed: {', '.join(changed)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
