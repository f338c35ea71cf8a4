"""The evaluated clips of an action recogniser."""

from collections.abc import Iterable

import numpy as np
import torch

from visus.tasks.assessment import LabelScores
from visus.tasks.base import Batch, VisionTask
from visus.tasks.class_assessment import ClassAssessment
from visus.tasks.class_scores import scores_of


def assess_clips(task: VisionTask, batches: Iterable[Batch]) -> ClassAssessment:
    """Predict the classes of all clips; see `visus.tasks.spec.TaskSpec.assess`.

    The scores of the windows of a clip are averaged; its name is that of its first window.
    """
    multi_label = bool(task.options()["multi_label"])
    names: dict[str, str] = {}
    windows: dict[str, list[np.ndarray]] = {}
    labels: dict[str, np.ndarray] = {}
    with torch.inference_mode():
        for batch in batches:
            (logits,) = task(batch["image"].to(task.device))
            scores = scores_of(logits.float().cpu().numpy(), multi_label)
            truth = batch["labels" if multi_label else "label"].numpy()
            columns = (batch["clip"], batch["source"], scores, truth)
            for clip, source, row, label in zip(*columns, strict=True):
                names.setdefault(clip, source)
                windows.setdefault(clip, []).append(row)
                labels[clip] = label
    averages = np.stack([np.mean(each, 0) for each in windows.values()]).astype(np.float32)
    truth = np.stack([labels[clip] for clip in windows]).astype(np.int64)
    scored = LabelScores(averages, truth, task.class_names)
    return ClassAssessment([names[clip] for clip in windows], scored, "clips")
