"""The report of a captioner: against a consensus of known captions, and images with captions."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table
from torch.utils.data import Subset

from visus.apps.inference.loading import TorchModel
from visus.datamodules.captioning.dataset import CaptioningDataset
from visus.datamodules.core.loading import make_loader
from visus.tasks.captioning.attention import draw_attention
from visus.tasks.captioning.consensus import consensus_captions
from visus.tasks.captioning.meteor import meteor
from visus.tasks.captioning.metrics import CaptioningResult
from visus.tasks.captioning.prediction import CaptionPrediction
from visus.tasks.captioning.task import CaptioningTask
from visus.vision.drawing.grid import grid
from visus.vision.images import Pixels
from visus.vision.output_files import write_image

_IMAGES = 12
_WORST = 4
_KNOWN = 2000
"""Training images at most that the consensus is made from."""


def report_captioning(
    task: CaptioningTask, split: str, dataset: Any, folder: Path, figures: dict[str, float]
) -> list[Table | str]:
    """See `visus.apps.training.reporting.Reporter`."""
    if split != "test" or task.tested is None:
        return []
    score, note = meteor(task.tested.records)
    if score is not None:
        figures["test/meteor_nltk"] = score
    told: list[Table | str] = [note] if note else []
    told += _compare(task, task.tested, dataset, figures)
    images = folder / "examples.jpg"
    write_image(images, _draw_examples(task, task.tested, dataset))
    return [*told, f"worst and other images {images}"]


def _compare(
    task: CaptioningTask,
    result: CaptioningResult,
    dataset: CaptioningDataset,
    figures: dict[str, float],
) -> list[Table | str]:
    """Beside a consensus of the nearest training images' captions, with no language model."""
    data = task.trainer.datamodule  # type: ignore[attr-defined]
    known = copy.copy(data.dataset("train"))
    known.transform = None
    tested = {record.source for record in result.records}
    numbers = [i for i in range(len(known)) if known.name(i) not in tested][:_KNOWN]
    if not numbers:
        return ["no training images beside the tested ones: no consensus to compare with"]
    features, names, _ = _look(task, dataset, data.num_workers)
    known_features, _, captions = _look(task, Subset(known, numbers), data.num_workers)
    written = consensus_captions(features, known_features, captions)
    others = result.compare(dict(zip(names, written, strict=True)))
    figures |= {f"test/consensus_{k}": v for k, v in others.items() if not k.startswith("gain")}
    figures |= {f"test/{k}": others[k] for k in ("gain_low", "gain_high")}
    table = Table("", "BLEU-1", "BLEU-4", "CIDEr-D", title=f"with {len(numbers)} training images")
    rows = {
        "this model": result.figures,
        "the same, without a search": {
            name.removeprefix("greedy_"): value
            for name, value in result.figures.items()
            if name.startswith("greedy_")
        },
        "what the 20 nearest training images' captions agree on": others,
    }
    for name, row in rows.items():
        table.add_row(name, *(f"{row[key]:.3f}" for key in ("bleu_1", "bleu_4", "cider_d")))
    table.add_row("this model's captions on other images", "", "",
                  f"{result.figures['shuffled_cider_d']:.3f}")  # fmt: skip
    low, high = others["gain_low"], others["gain_high"]
    gain = f"CIDEr-D above the consensus by {low:+.3f} to {high:+.3f} (95 %, paired bootstrap)"
    return [table, gain]


def _look(
    task: CaptioningTask, dataset: Any, workers: int
) -> tuple[NDArray[np.float32], list[str], list[tuple[str, ...]]]:
    """Of each image the mean of its feature map, its name, and people's captions."""
    vectors, names, captions = [], [], []
    for batch in make_loader(dataset, 32, workers, train=False):
        vectors.append(task.look(batch["image"]).mean((2, 3)).float().cpu())
        names += batch["source"]
        captions += [truth.captions for truth in batch["truth"]]
    return torch.cat(vectors).numpy(), names, captions


def _draw_examples(
    task: CaptioningTask, result: CaptioningResult, dataset: CaptioningDataset
) -> Pixels:
    """The worst images first, then an even choice of the rest; below, where the words looked."""
    order = np.argsort(result.scores, kind="stable").tolist()
    rest = order[_WORST:]
    count = min(len(rest), _IMAGES - _WORST)
    chosen = order[:_WORST] + [rest[i * len(rest) // count] for i in range(count)]
    by_name = {dataset.name(i): i for i in range(len(dataset))}
    model = TorchModel("tested", task)
    images, lines = [], []
    for i in chosen:
        record = result.records[i]
        image = dataset.read(dataset.sources[by_name[record.source]]).image
        prediction = model.predict(image)
        assert isinstance(prediction, CaptionPrediction)
        images.append(draw_attention(image, prediction))
        lines.append(f"{result.scores[i]:.2f}  {record.references[0]}")
    return grid(images, lines, 2, 720, 300)
