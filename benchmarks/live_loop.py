"""Throughput of the live loop against the network alone in the same runtime, measured in turn.

python benchmarks/live_loop.py CLIP

A classifier with drawing, and a Faster R-CNN of random weights with drawing and an .mp4.
"""

import sys
import tempfile
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

from turns import in_turn

from visus.apps.export.onnx_file import export_onnx
from visus.apps.inference.backends import installed_runtimes, usable_workers
from visus.apps.inference.loading import load_model
from visus.apps.live.loop import run_loop
from visus.apps.live.sinks.base import Sink
from visus.apps.live.sinks.encoders import open_encoder
from visus.apps.live.sinks.video import VideoSink
from visus.apps.live.sources.files import VideoSource
from visus.tasks.detection.data_info import DetectionInfo
from visus.tasks.detection.task import DetectionTask
from visus.tasks.torch_network import torch_task
from visus.vision.drawing.grid import to_bgr
from visus.vision.frames import Frame
from visus.vision.images import Pixels

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
    """Print both ratios."""
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
        for runtime in installed_runtimes():
            _compare(folder / "classifier.onnx", runtime, clip, NullSink)
            _compare(folder / "detector.onnx", runtime, clip, lambda: VideoSink(video, 25.0))


def _of_length(clip: Path, target: Path) -> Path:
    frames = [frame.image for frame in VideoSource(clip).frames()]
    height, width = frames[0].shape[:2]
    encoder = open_encoder(target, 25.0, (width, height))
    for frame in islice(cycle(frames), FRAMES):
        encoder.write(to_bgr(frame))
    encoder.close()
    return target


def _compare(path: Path, runtime: str, clip: Path, sink: Callable[[], Sink]) -> None:
    # One image at a time on all cores, and in parallel as `visus live` does for a file.
    alone, model = (load_model(str(path), runtime, workers) for workers in (1, usable_workers()))
    batches = [model.preprocess(frame.image)[0] for frame in VideoSource(clip).frames()]
    seconds = in_turn(
        {
            "network": lambda: [alone.run(batch) for batch in batches],
            "loop": lambda: run_loop(model, VideoSource(clip), [sink()]),
        },
        repeats=1,
    )
    network, loop = (len(batches) / seconds[name] for name in ("network", "loop"))
    print(
        f"{model.metadata.task} in {model.runtime}: loop {loop:.1f} frames/s, network alone "
        f"{network:.1f} frames/s: ratio {loop / network:.3f}"
    )


if __name__ == "__main__":
    main()
