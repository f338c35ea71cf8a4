"""Report of the tasks that predict classes: metrics of each class and the confusion matrix."""

from typing import Any

from rich.table import Table

from visus.tasks.class_metrics import class_report, standard_error
from visus.tasks.spec import ReportContext
from visus.vision.drawing.plots import draw_confusion
from visus.vision.output_files import write_image


def report_classes(task: Any, context: ReportContext) -> list[Table | str]:
    """See `visus.tasks.spec.Report`.

    Args:
        task: Has `multi_label`, and as `tested` a `visus.tasks.class_metrics.ClassificationResult`.
        context: See `ReportContext`.
    """
    split, metrics = context.split, context.metrics
    if not task.multi_label and f"{split}/accuracy" in metrics:
        error = standard_error(metrics[f"{split}/accuracy"], context.samples)
        metrics[f"{split}/accuracy_standard_error"] = error
    if task.tested is None:
        return []
    lines: list[Table | str] = []
    confusion = task.tested.confusion
    rows = class_report(confusion, task.class_names)
    if len(rows) <= 50:
        classes = Table("class", "precision", "recall", "f1", "samples")
        for row in rows:
            values = [f"{row[key]:.3f}" for key in ("precision", "recall", "f1")]
            classes.add_row(row["label"], *values, str(row["samples"]))
        lines.append(classes)
    for row in rows:
        metrics[f"{split}/f1/{row['label']}"] = row["f1"]
    if confusion.ndim == 2:
        path = context.folder / "confusion.png"
        write_image(path, draw_confusion(confusion, task.class_names))
        lines.append(f"confusion matrix {path}")
    return lines
