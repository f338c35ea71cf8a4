"""The report of a network for 3D faces: correlations, and its best and worst images."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table

from visus.apps.drawing import draw_prediction
from visus.datamodules.core.loading import collate
from visus.datamodules.face3d.data import RenderDataset
from visus.tasks.face3d.task import Face3DTask
from visus.vision.drawing.grid import grid
from visus.vision.images import Pixels
from visus.vision.output_files import write_image

_WORST, _BEST = 6, 6


def report_face3d(
    task: Face3DTask, split: str, dataset: Any, folder: Path, figures: dict[str, float]
) -> list[Table | str]:
    """See `visus.apps.training.reporting.Reporter`."""
    if split != "test" or task.tested is None:
        return []
    correlations = Table("number", "correlation with the truth")
    for name in task.coefficient_names:
        value = figures.get(f"test/correlation/{name}")
        correlations.add_row(name, "undefined" if value is None else f"{value:.3f}")
    order = sorted(task.tested.records, key=lambda record: -record[1]["vertex_error_mm"])
    best = order[_WORST:][-_BEST:]
    path = folder / "examples.jpg"
    write_image(path, _draw(task, dataset, order[:_WORST] + best))
    return [correlations, f"worst and best images {path}"]


def _draw(
    task: Face3DTask, dataset: RenderDataset, records: list[tuple[str, dict[str, float]]]
) -> Pixels:
    """Each image, and beside it the mesh that was found."""
    by_name = {str(seed): i for i, seed in enumerate(dataset.seeds)}
    images, captions = [], []
    for source, errors in records:
        batch = collate(dataset.__getitems__([by_name[source]]))
        with torch.inference_mode():
            found = task.predict_step({**batch, "image": batch["image"].to(task.device)}, 0)[0]
        image = np.ascontiguousarray(batch["image"][0].permute(1, 2, 0).numpy())
        images += [image, draw_prediction(image, found)]
        captions += [
            source,
            f"{errors['vertex_error_mm']:.1f} mm, pose {errors['pose_error_deg']:.1f}°",
        ]
    return grid(images, captions, 4, 256)
