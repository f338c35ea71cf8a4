"""The report of a captioning test: METEOR, a comparison with a consensus baseline, and examples."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table

from visus.tasks.base import Batch
from visus.tasks.captioning.consensus import consensus_captions
from visus.tasks.captioning.draw import draw_caption
from visus.tasks.captioning.meteor import meteor
from visus.tasks.captioning.metrics import CaptioningResult
from visus.tasks.captioning.prediction import CaptionPrediction
from visus.tasks.captioning.task import CaptioningTask
from visus.tasks.spec import ReportContext
from visus.vision.drawing.grid import grid
from visus.vision.images import Pixels
from visus.vision.output_files import write_image
from visus.vision.resize import preprocess_image
from visus.vision.sampling import first_and_spaced

_IMAGES = 12
_WORST = 4
_KNOWN = 2000
"""Maximum number of training images in the consensus baseline."""


def report_captioning(task: CaptioningTask, context: ReportContext) -> list[Table | str]:
    """See `visus.tasks.spec.Report`."""
    if context.split != "test" or task.tested is None:
        return []
    score, note = meteor(task.tested.records)
    if score is not None:
        context.metrics["test/meteor_nltk"] = score
    lines: list[Table | str] = [note] if note else []
    lines += _compare(task, task.tested, context)
    path = context.folder / "examples.jpg"
    write_image(path, _draw_examples(task, task.tested, context))
    return [*lines, f"worst and other images {path}"]


def _compare(
    task: CaptioningTask, result: CaptioningResult, context: ReportContext
) -> list[Table | str]:
    """Compare with the consensus of the captions of the nearest training images."""
    metrics = context.metrics
    tested = {record.source for record in result.records}
    known = _Features()
    for batch in context.batches("train"):
        rows = [i for i, source in enumerate(batch["source"]) if source not in tested]
        known.add(task, batch, rows[: _KNOWN - len(known.sources)])
        if len(known.sources) == _KNOWN:
            break
    count = len(known.sources)
    if not count:
        return ["no training images beside the tested ones: no consensus to compare with"]
    features = _Features()
    for batch in context.batches("test"):
        features.add(task, batch, range(len(batch["source"])))
    consensus = consensus_captions(features.vectors(), known.vectors(), known.captions)
    others = result.compare(dict(zip(features.sources, consensus, strict=True)))
    metrics |= {f"test/consensus_{k}": v for k, v in others.items() if not k.startswith("gain")}
    metrics |= {f"test/{k}": others[k] for k in ("gain_low", "gain_high")}
    table = Table("", "BLEU-1", "BLEU-4", "CIDEr-D", title=f"with {count} training images")
    rows_by_name = {
        "this model": result.metrics,
        "this model, greedy search": {
            name.removeprefix("greedy_"): value
            for name, value in result.metrics.items()
            if name.startswith("greedy_")
        },
        "consensus of the 20 nearest training images": others,
    }
    for name, row in rows_by_name.items():
        table.add_row(name, *(f"{row[key]:.3f}" for key in ("bleu_1", "bleu_4", "cider_d")))
    shuffled = f"{result.metrics['shuffled_cider_d']:.3f}"
    table.add_row("this model's captions on other images", "", "", shuffled)
    low, high = others["gain_low"], others["gain_high"]
    gain = f"CIDEr-D above the consensus by {low:+.3f} to {high:+.3f} (95 %, paired bootstrap)"
    return [table, gain]


class _Features:
    """Feature vectors of images, with their names and reference captions."""

    def __init__(self) -> None:
        self.sources: list[str] = []
        self.captions: list[tuple[str, ...]] = []
        self._vectors: list[NDArray[np.float32]] = []

    def add(self, task: CaptioningTask, batch: Batch, rows: Sequence[int]) -> None:
        """Add the means of the feature maps of some images of a batch."""
        if not rows:
            return
        maps = task.extract_features(batch["image"][list(rows)])
        if maps.ndim == 5:
            maps = maps.mean(1)
        self._vectors.append(maps.mean((2, 3)).float().cpu().numpy())
        self.sources += [batch["source"][i] for i in rows]
        self.captions += [batch["truth"][i].captions for i in rows]

    def vectors(self) -> NDArray[np.float32]:
        """The feature vectors, (images, channels)."""
        return np.concatenate(self._vectors)


def _draw_examples(
    task: CaptioningTask, result: CaptioningResult, context: ReportContext
) -> Pixels:
    """The worst images, then a regular sample of the others, each with its attention maps."""
    order = np.argsort(result.scores, kind="stable").tolist()
    images, lines = [], []
    for i in first_and_spaced(order, _WORST, _IMAGES):
        record = result.records[i]
        image = context.read_image(record.source)
        # Of a clip, this image is a single frame.
        predict = _predict if task.frames == 1 else _recorded(record.caption)
        images.append(draw_caption(image, predict(task, image), True))
        lines.append(f"{result.scores[i]:.2f}  {record.references[0]}")
    return grid(images, lines, 2, 720, 300)


def _recorded(caption: str) -> Callable[[CaptioningTask, Pixels], CaptionPrediction]:
    """A function that returns a caption whatever the image is."""

    def prediction(task: CaptioningTask, image: Pixels) -> CaptionPrediction:
        _, geometry = preprocess_image(image, task.metadata)
        return CaptionPrediction((caption,), np.ones(1, np.float32), (), None, geometry)

    return prediction


def _predict(task: CaptioningTask, image: Pixels) -> CaptionPrediction:
    batch, geometry = preprocess_image(image, task.metadata)
    with torch.inference_mode():
        outputs = task(torch.from_numpy(batch).to(task.device))
    (prediction,) = task.postprocess(outputs, [geometry])
    assert isinstance(prediction, CaptionPrediction)
    return prediction
