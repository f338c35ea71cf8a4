"""The report of face verification: accuracy by fold, ROC curve, worst pairs."""

from pathlib import Path

import numpy as np
from rich.table import Table

from visus.tasks.face_recognition.metrics import VerificationResult
from visus.tasks.face_recognition.task import FaceRecognitionTask
from visus.tasks.spec import ReportContext
from visus.vision.drawing.grid import grid
from visus.vision.drawing.plots import draw_curves
from visus.vision.images import Pixels
from visus.vision.output_files import write_image

_WORST_PAIRS = 8
_LOWEST_RATE = 1e-4


def report_face_recognition(task: FaceRecognitionTask, context: ReportContext) -> list[Table | str]:
    """See `visus.tasks.spec.Report`."""
    if context.split != "test" or task.tested is None:
        return []
    result = task.tested
    table = Table("fold", "accuracy", "pairs")
    folds = np.array([pair.fold for pair in result.pairs])
    for fold, accuracy in zip(np.unique(folds), result.fold_accuracy, strict=True):
        table.add_row(str(fold), f"{accuracy:.4f}", str(int((folds == fold).sum())))
    curve = context.folder / "roc.png"
    write_image(curve, _draw_roc(result))
    images = context.folder / "worst_pairs.jpg"
    write_image(images, _draw_worst_pairs(result, context))
    return [table, f"ROC {curve}", f"worst pairs {images}"]


def _draw_roc(result: VerificationResult) -> Pixels:
    """True-accept rates over the logarithm of false-accept rates."""
    rates = np.logspace(np.log10(_LOWEST_RATE), 0, 200)
    accepted = np.interp(rates, result.false_accepts, result.true_accepts)
    position = 1 - np.log10(rates) / np.log10(_LOWEST_RATE)
    name = f"false accepts, from {_LOWEST_RATE:g} (0) by powers of ten to 1 (1)"
    return draw_curves(position, {"this model": accepted}, name, "true accepts")


def _draw_worst_pairs(result: VerificationResult, context: ReportContext) -> Pixels:
    """The least similar pairs of one person, then the most similar of two, as aligned faces."""
    same = np.array([pair.same for pair in result.pairs])
    order = np.argsort(result.similarities)
    chosen = [*order[same[order]][:_WORST_PAIRS], *order[~same[order]][::-1][:_WORST_PAIRS]]
    images, captions = [], []
    for i in chosen:
        pair = result.pairs[i]
        for name in (pair.first, pair.second):
            images.append(context.read_image(name))
            captions.append(Path(name).stem)
        truth = "one person" if pair.same else "two people"
        captions[-1] = f"!{truth}: {result.similarities[i]:.2f}"
    return grid(images, captions, 8, 170)
