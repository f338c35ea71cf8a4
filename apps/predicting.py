"""Predict all frames of a source: print, write, draw and explain the predictions."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from visus.apps.inference.explaining import Explainer
from visus.apps.live.cameras import Camera
from visus.apps.live.loop import JsonLinesWriter, LoopResult, run_loop
from visus.apps.live.printing import print_closing, print_summary
from visus.apps.live.sinks.base import Sink
from visus.apps.live.sinks.video import ImageSink
from visus.apps.live.sources.base import Source
from visus.tasks.options import Session
from visus.vision.drawing.grid import grid
from visus.vision.frames import Frame
from visus.vision.images import Pixels, visible
from visus.vision.model import Model
from visus.vision.output_files import OutputNames, write_image
from visus.vision.printable import printable
from visus.vision.wording import counted


def predict_all(
    session: Session,
    source: Source,
    draw: Path | None = None,
    jsonl: str | None = None,
    sinks: Sequence[Sink] = (),
    name: str = "",
) -> LoopResult:
    """Predict every frame; print a line for each, unless JSON Lines go to standard output.

    Args:
        session: The model with its options applied.
        source: The source of the frames.
        draw: A folder for annotated images.
        jsonl: A file for JSON Lines, or `-`.
        sinks: Further sinks.
        name: The source's name in messages.
    """
    drawings = [] if draw is None else [ImageSink(draw, source.rate, source.files)]
    writer = JsonLinesWriter(jsonl, session.private) if jsonl else None
    printing = [] if jsonl == "-" or session.as_a_whole else [print_summary]
    watchers = [*session.watchers, *printing]
    camera = Camera(source, session.model, [*drawings, *sinks], watchers, session.conceal)
    result = run_loop([camera], writer, source.still, jsonl != "-", batched=True)
    for closing in session.closing:
        for line in closing():
            print(printable(f"{name}: {line}"))
    print_closing(result, source.still)
    return result


def explain_sink(model: Model, folder: Path, inputs: Iterable[Path]) -> Sink:
    """A sink that explains each frame.

    Args:
        model: The model.
        folder: Where to write.
        inputs: Files that are read, and not overwritten.

    Raises:
        VisusError: If the model cannot be explained.
    """
    return _ExplainSink(model, folder, inputs)


class _ExplainSink(Sink):
    """Writes the maps that explain each prediction."""

    def __init__(self, model: Model, folder: Path, inputs: Iterable[Path]) -> None:
        self._explain = Explainer(model)
        self._names = OutputNames(folder, inputs)
        self._count = 0

    def show(self, frame: Frame, drawn: Pixels) -> bool:
        """See `Sink.show`."""
        maps = self._explain(frame.image)
        images = [visible(frame.image), *(each.image for each in maps)]
        captions = ["image", *(each.caption for each in maps)]
        path = self._names.name(frame.source, f"{frame.number}.jpg")
        write_image(path, grid(images, captions, len(images), 256))
        self._count += 1
        return True

    def written(self) -> str:
        """See `Sink.written`."""
        return f"{self._names.folder}: {counted(self._count, 'image')}" if self._count else ""

    def close(self) -> None:
        """See `Sink.close`; no file is open."""
