"""The report of face verification: accuracy by fold, the ROC, the worst pairs."""

from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from visus.datamodules.face_recognition.data import FaceDataset, PeopleData
from visus.tasks.face_recognition.metrics import VerificationResult
from visus.tasks.face_recognition.task import FaceRecognitionTask
from visus.vision.drawing.grid import grid
from visus.vision.drawing.plots import draw_curves
from visus.vision.images import Pixels
from visus.vision.output_files import write_image
from visus.vision.truth import FacePair

_WORST = 8
_LOWEST_RATE = 1e-4


def report_face_recognition(
    task: FaceRecognitionTask, split: str, dataset: Any, folder: Path, figures: dict[str, float]
) -> list[Table | str]:
    """See `visus.apps.training.reporting.Reporter`."""
    if split != "test" or task.tested is None:
        return []
    result = task.tested
    data = task.trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(data, PeopleData) and isinstance(dataset, FaceDataset)
    pairs = data.pairs("test")
    folds = Table("fold", "accuracy", "pairs")
    numbers = np.array([pair.fold for pair in pairs])
    for number, accuracy in zip(np.unique(numbers), result.fold_accuracy, strict=True):
        folds.add_row(str(number), f"{accuracy:.4f}", str(int((numbers == number).sum())))
    curve = folder / "roc.png"
    write_image(curve, _draw_roc(result))
    images = folder / "worst_pairs.jpg"
    write_image(images, _draw_worst(result, pairs, dataset))
    return [folds, f"ROC {curve}", f"worst pairs {images}"]


def _draw_roc(result: VerificationResult) -> Pixels:
    """True accepts over false accepts, which are shown by their order of magnitude."""
    rates = np.logspace(np.log10(_LOWEST_RATE), 0, 200)
    accepted = np.interp(rates, result.false_accepts, result.true_accepts)
    share = 1 - np.log10(rates) / np.log10(_LOWEST_RATE)
    name = f"false accepts, from {_LOWEST_RATE:g} (0) by powers of ten to 1 (1)"
    return draw_curves(share, {"this model": accepted}, name, "true accepts")


def _draw_worst(result: VerificationResult, pairs: list[FacePair], dataset: FaceDataset) -> Pixels:
    """The most unlike pairs of one person, then the most alike of two, as the network saw them."""
    by_name = {str(image.path): image for image in dataset.sources}
    same = np.array([pair.same for pair in pairs])
    order = np.argsort(result.similarities)
    chosen = [*order[same[order]][:_WORST], *order[~same[order]][::-1][:_WORST]]
    images, captions = [], []
    for i in chosen:
        pair = pairs[i]
        for name in (pair.first, pair.second):
            images.append(dataset.read(by_name[name])[0])
            captions.append(Path(name).stem)
        truth = "one person" if pair.same else "two people"
        captions[-1] = f"!{truth}: {result.similarities[i]:.2f}"
    return grid(images, captions, 8, 170)
