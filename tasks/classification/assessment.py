"""The evaluated images of a classifier."""

from collections.abc import Iterable

import numpy as np
import torch

from visus.tasks.assessment import LabelScores
from visus.tasks.base import Batch, VisionTask
from visus.tasks.class_assessment import ClassAssessment
from visus.tasks.class_scores import scores_of


def assess_classifier(task: VisionTask, batches: Iterable[Batch]) -> ClassAssessment:
    """Predict the classes of all images; see `visus.tasks.spec.TaskSpec.assess`."""
    sources: list[str] = []
    logits, labels = [], []
    with torch.inference_mode():
        for batch in batches:
            (output,) = task(batch["image"].to(task.device))
            sources += batch["source"]
            logits.append(output.float().cpu().numpy())
            labels.append(batch["label"].numpy())
    scores = scores_of(np.concatenate(logits), bool(task.options()["multi_label"]))
    truth = np.concatenate(labels).astype(np.int64)
    return ClassAssessment(sources, LabelScores(scores, truth, task.class_names))
