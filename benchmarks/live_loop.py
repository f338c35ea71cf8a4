"""Throughput of the live loop against the network alone in the same runtime, measured in turn.

python benchmarks/live_loop.py CLIP

A classifier with drawing; a Faster R-CNN of random weights with drawing and an .mp4; and both
models on the same frames with drawing, an .mp4 and a page that a client watches.
"""

import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.client import HTTPException
from itertools import cycle, islice
from pathlib import Path

from turns import in_turn

from visus.apps.export.onnx_file import export_onnx
from visus.apps.inference.backends import installed_runtimes, usable_workers
from visus.apps.inference.combined import combine
from visus.apps.inference.loading import load_model
from visus.apps.live.cameras import Camera
from visus.apps.live.loop import run_loop
from visus.apps.live.serve.server import PageServer
from visus.apps.live.sessions import sessions_of_page
from visus.apps.live.sinks.base import Sink
from visus.apps.live.sinks.encoders import open_encoder
from visus.apps.live.sinks.video import VideoSink
from visus.apps.live.sources.files import VideoSource
from visus.tasks.detection.data_info import DetectionInfo
from visus.tasks.detection.task import DetectionTask
from visus.tasks.options import Session
from visus.tasks.torch_network import torch_task
from visus.vision.drawing.grid import to_bgr
from visus.vision.frames import Frame
from visus.vision.images import Pixels
from visus.vision.model import Model

FRAMES = 150
"""Frames of the clip, which is repeated where it is shorter."""


class NullSink(Sink):
    """Discards frames."""

    def show(self, frame: Frame, drawn: Pixels) -> bool:
        """See `Sink.show`."""
        return True

    def close(self) -> None:
        """See `Sink.close`."""


def main() -> None:
    """Print the ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = _of_length(Path(sys.argv[1]), folder / "clip.mp4")
        classifier = torch_task(load_model("imagenet"), "export").cpu()
        export_onnx(classifier, folder / "classifier.onnx")
        info = DetectionInfo(
            image_size=(288, 384),
            class_names=("object",),
            in_channels=3,
            resize_mode="letterbox",
        )
        detector = DetectionTask(data_info=info, backbone="tf_efficientnet_lite0", pretrained=True)
        export_onnx(detector.eval(), folder / "detector.onnx")
        video = folder / "drawn.mp4"
        both = [folder / "classifier.onnx", folder / "detector.onnx"]
        for runtime in installed_runtimes():
            _compare(both[:1], runtime, clip, lambda _: [NullSink()])
            _compare(both[1:], runtime, clip, lambda _: [VideoSink(video, 25.0)])
            _compare(both, runtime, clip, lambda own: [VideoSink(video, 25.0), _watched_page(own)])


def _of_length(clip: Path, target: Path) -> Path:
    frames = [frame.image for frame in VideoSource(clip).frames()]
    height, width = frames[0].shape[:2]
    encoder = open_encoder(target, 25.0, (width, height))
    for frame in islice(cycle(frames), FRAMES):
        encoder.write(to_bgr(frame))
    encoder.close()
    return target


def _compare(
    paths: Sequence[Path],
    runtime: str,
    clip: Path,
    sinks: Callable[[Sequence[Model]], list[Sink]],
) -> None:
    # One image at a time on all cores, and in parallel as `visus live` does for a file.
    alone, models = (
        [load_model(str(path), runtime, workers) for path in paths]
        for workers in (1, usable_workers())
    )
    frames = [frame.image for frame in VideoSource(clip).frames()]
    batches = [[model.preprocess(image)[0] for model in alone] for image in frames]

    def run_networks() -> None:
        for batch in batches:
            for model, images in zip(alone, batch, strict=True):
                model.run(images)

    def run_all() -> None:
        run_loop([Camera(VideoSource(clip), combine(models), sinks(models))])

    seconds = in_turn({"network": run_networks, "loop": run_all}, repeats=1)
    network, loop = (len(batches) / seconds[name] for name in ("network", "loop"))
    tasks = " and ".join(model.metadata.task for model in models)
    print(
        f"{tasks} in {runtime}: loop {loop:.1f} frames/s, network alone "
        f"{network:.1f} frames/s: ratio {loop / network:.3f}",
        flush=True,
    )


def _watched_page(models: Sequence[Model]) -> Sink:
    """A page with a client that reads its stream."""
    page = PageServer("0", sessions_of_page([[Session(model) for model in models]]), moving=True)

    def watch() -> None:
        with (
            suppress(OSError, HTTPException),
            urllib.request.urlopen(f"{page.url}stream") as stream,
        ):
            while stream.read(65536):
                pass

    threading.Thread(target=watch, daemon=True).start()
    return page


if __name__ == "__main__":
    main()
