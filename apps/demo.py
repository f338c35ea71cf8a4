"""The demonstration: train on digits, classify photographs, write images of both."""

import os
import sys
import time
from collections.abc import Generator
from pathlib import Path

import cv2
import numpy as np

from visus.apps.inference.loading import load_model
from visus.apps.live.cameras import Camera
from visus.apps.live.loop import run_loop
from visus.apps.live.sinks.video import ImageSink, VideoSink
from visus.apps.live.sinks.window import why_no_window
from visus.apps.live.sources import open_source
from visus.apps.live.sources.base import Source
from visus.apps.runs import latest_checkpoint
from visus.configs import DEMO
from visus.vision.drawing.grid import grid, to_bgr
from visus.vision.frames import Frame
from visus.vision.images import Pixels
from visus.vision.model import Model
from visus.vision.output_files import write_image
from visus.vision.prediction import Prediction

CLIP_SECONDS = 3
CLIP_RATE = 12.0


def run_demo(folder: Path, epochs: int | None = None) -> int:
    """Run the demonstration; returns the exit code.

    Args:
        folder: Where to write.
        epochs: Epochs of training; those of the configuration by default.
    """
    started = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    before = Path.cwd()
    os.chdir(folder)
    try:
        digits, confusion = _digits(folder, epochs)
    finally:
        os.chdir(before)
    photographs, clip = _photographs(folder)
    print(f"\nEverything is in {folder} ({time.perf_counter() - started:.0f} s):")
    for path, description in (
        (digits, "test digits with their predictions, wrong ones in red"),
        (confusion, "the confusion matrix of the test digits"),
        (photographs, "photographs with their predictions"),
        (clip, "a short annotated video"),
        (folder / "runs", "the runs: checkpoints, configurations, metrics, curves"),
    ):
        print(f"  {path.relative_to(folder).as_posix():<28} {description}")
    _show(digits)
    return 0


def _digits(folder: Path, epochs: int | None) -> tuple[Path, Path]:
    """Train LeNet-5, test it, and draw its predictions; returns the two images."""
    from visus.apps.training.arguments import parse_arguments
    from visus.apps.training.run import run
    from visus.datamodules.demo import demo_samples

    print("LeNet-5 on 1,797 handwritten digits of 8 x 8 pixels", flush=True)
    limit = [] if epochs is None else ["--trainer.max_epochs", str(epochs)]
    run("fit", parse_arguments("fit", ["--config", DEMO, *limit]))
    run("test", parse_arguments("test", ["latest"]))
    model = load_model(str(latest_checkpoint()))
    images, labels = demo_samples()
    cells, captions = [], []
    for image, label in list(zip(images, labels, strict=True))[:40]:
        enlarged = np.repeat(image, 3, axis=2)
        predicted = model.predict(enlarged).summary().split()[0]
        cells.append(enlarged)
        captions.append(predicted if predicted == str(label) else f"!{predicted}, is {label}")
    path = folder / "digits.png"
    write_image(path, grid(cells, captions, 10, 96))
    drawn = max((folder / "runs").glob("*/*/*/confusion.png"), key=lambda p: p.stat().st_mtime_ns)
    confusion = folder / "confusion.png"
    confusion.write_bytes(drawn.read_bytes())
    return path, confusion


def _photographs(folder: Path) -> tuple[Path, Path]:
    """Classify scikit-image's photographs; returns the folder of images and the video."""
    from skimage import data

    print("\nEfficientNet-Lite0 with ImageNet weights on scikit-image's photographs", flush=True)
    originals = folder / "originals"
    images: list[Pixels] = [getattr(data, name)() for name in ("chelsea", "coffee")]
    for name, image in zip(("cat", "coffee"), images, strict=True):
        write_image(originals / f"{name}.png", image)
    model = load_model("imagenet")
    folder_out = folder / "photographs"
    camera = Camera(open_source(str(originals)), model, [ImageSink(folder_out, 0)], [_print_line])
    run_loop([camera])
    clip = folder / "clip.mp4"
    _draw_clip(model, images, clip)
    return folder_out, clip


def _print_line(frame: Frame, prediction: Prediction) -> None:
    print(f"  {Path(frame.source).name}: {prediction.summary()}")


class _PanSource(Source):
    """A view that moves across photographs, in place of a camera."""

    rate = CLIP_RATE

    def __init__(self, images: list[Pixels]) -> None:
        super().__init__()
        self.images = images

    def frames(self) -> Generator[Frame, None, None]:
        """See `Source.frames`."""
        count = int(CLIP_SECONDS * CLIP_RATE)
        for index in range(count):
            image = self.images[index * len(self.images) // count]
            fraction = (index * len(self.images) / count) % 1
            height, width = image.shape[:2]
            side = round(height * (0.95 - 0.15 * fraction))
            left, top = round((width - side) * fraction), round((height - side) / 2)
            view = cv2.resize(image[top : top + side, left : left + side], (320, 320))
            pixels = np.asarray(view, np.uint8)
            yield Frame(pixels, "pan", index, index / CLIP_RATE, time.perf_counter())


def _draw_clip(model: Model, images: list[Pixels], path: Path) -> None:
    run_loop([Camera(_PanSource(images), model, [VideoSink(path, CLIP_RATE)])])


def _show(path: Path) -> None:
    """Show an image for some seconds, where there is a terminal and a display."""
    if why_no_window() or not sys.stdout.isatty():
        return
    from visus.vision.images import read_image

    cv2.imshow("visus demo", to_bgr(read_image(path)))
    cv2.waitKey(8000)
    cv2.destroyAllWindows()
