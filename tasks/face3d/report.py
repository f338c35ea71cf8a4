"""The report of a network for 3D faces: correlations, and its worst and best images."""

from typing import Any

import numpy as np
import torch
from rich.table import Table

from visus.tasks.face3d.draw import draw_face3d
from visus.tasks.face3d.metrics import FaceErrors
from visus.tasks.spec import ReportContext
from visus.vision.drawing.grid import grid
from visus.vision.faces.crop import FaceCrops
from visus.vision.images import Pixels
from visus.vision.output_files import write_image
from visus.vision.resize import to_planes

_WORST, _BEST = 6, 6


def report_face3d(task: Any, context: ReportContext) -> list[Table | str]:
    """See `visus.tasks.spec.Report`."""
    if task.tested is None:
        return []
    correlations = Table("coefficient", "correlation with the truth")
    for name in task.coefficient_names:
        value = context.metrics.get(f"{context.split}/correlation/{name}")
        correlations.add_row(name, "undefined" if value is None else f"{value:.3f}")
    measured = [record for record in task.tested.records if "vertex_error_mm" in record.errors]
    order = sorted(measured, key=lambda record: -record.errors["vertex_error_mm"])
    best = order[_WORST:][-_BEST:]
    path = context.folder / "examples.jpg"
    write_image(path, _draw_examples(task, context, order[:_WORST] + best))
    return [correlations, f"worst and best images {path}"]


def _draw_examples(task: Any, context: ReportContext, records: list[FaceErrors]) -> Pixels:
    """Each image, and beside it the predicted mesh."""
    images, captions = [], []
    for record in records:
        crop = np.ascontiguousarray(context.read_image(record.source))
        batch = torch.from_numpy(to_planes(crop)[None]).to(task.device)
        geometry = FaceCrops.of_crop((crop.shape[0], crop.shape[1]))
        with torch.inference_mode():
            (prediction,) = task.predict_step({"image": batch, "geometry": [geometry]}, 0)
        images += [crop, draw_face3d(crop, prediction, still=True)]
        errors = record.errors
        caption = f"{errors['vertex_error_mm']:.1f} mm, pose {errors['pose_error_deg']:.1f}°"
        captions += [record.source, caption]
    return grid(images, captions, 4, 256)
