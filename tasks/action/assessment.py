"""The evaluated clips of an action recogniser."""

from collections.abc import Iterable

import numpy as np
import torch

from visus.tasks.action.metrics import average_windows
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
    records = []
    with torch.inference_mode():
        for batch in batches:
            (logits,) = task(batch["image"].to(task.device))
            scores = scores_of(logits.float().cpu().numpy(), multi_label)
            truth = batch["labels" if multi_label else "label"].numpy()
            columns = (batch["clip"], batch["source"], scores, truth)
            for clip, source, row, label in zip(*columns, strict=True):
                names.setdefault(clip, source)
                records.append((clip, row, label))
    clips, averages, truth = average_windows(records)
    scored = LabelScores(averages.astype(np.float32), truth.astype(np.int64), task.class_names)
    return ClassAssessment([names[clip] for clip in clips], scored, "clips")
