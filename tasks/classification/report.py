"""The report of a classifier: its error, its classes, its confusion matrix."""

from pathlib import Path
from typing import Any

from rich.table import Table

from visus.apps.drawing_tmp import write_image
from visus.tasks.classification.metrics import class_report, standard_error
from visus.vision.drawing.plots import draw_confusion
from visus.tasks.classification.task import ClassificationTask


def report_classification(
    task: ClassificationTask, split: str, dataset: Any, folder: Path, figures: dict[str, float]
) -> list[Table | str]:
    """See `apps.reporting.Reporter`."""
    if not task.multi_label and f"{split}/accuracy" in figures:
        error = standard_error(figures[f"{split}/accuracy"], len(dataset))
        figures[f"{split}/accuracy_standard_error"] = error
    if split != "test" or task.tested is None:
        return []
    told: list[Table | str] = []
    rows = class_report(task.tested, task.class_names)
    if len(rows) <= 50:
        classes = Table("class", "precision", "recall", "f1", "samples")
        for row in rows:
            values = [f"{row[key]:.3f}" for key in ("precision", "recall", "f1")]
            classes.add_row(row["label"], *values, str(row["samples"]))
        told.append(classes)
    for row in rows:
        figures[f"{split}/f1/{row['label']}"] = row["f1"]
    if task.tested.ndim == 2:
        path = folder / "confusion.png"
        write_image(path, draw_confusion(task.tested, task.class_names))
        told.append(f"confusion matrix {path}")
    return told
