"""Where a model is wrong: its worst predictions, its weak slices, labels that look wrong."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from visus.apps.report.facts import SPLITS
from visus.apps.report.label_errors import (
    MIN_SAMPLES,
    LabelIssue,
    out_of_sample_scores,
    rank_label_errors,
)
from visus.apps.report.slices import Slice, compare_slices, image_properties
from visus.apps.report.subject import Subject, batches_of
from visus.tasks.assessment import Assessment, Floats
from visus.vision.wording import counted

_SHOWN = 12
"""Samples of each kind that are shown."""

_EXAMINED = 20_000
"""Most labels that are examined: the classifiers would take hours for millions."""

_ISSUES = 40
"""Labels that are listed."""


@dataclass(frozen=True, eq=False)
class Errors:
    """Where a model is wrong.

    Attributes:
        confident: Indices of the samples with the most confident errors.
        worst: Indices of the other samples of the lowest quality, the worst first.
        slices: Of all slices that were compared; those that differ come first.
        labels: Labels that look wrong, the most doubtful first.
        labels_compared: Number of labels that were examined.
        labels_missing: Why none were; empty if they were.
    """

    worst: Sequence[int]
    confident: Sequence[int]
    slices: Sequence[Slice]
    labels: Sequence[LabelIssue]
    labels_compared: int
    labels_missing: str

    def to_json(self, subject: Subject) -> dict[str, Any]:
        """All numbers as plain values, with names of the samples."""
        assessment = subject.assessment

        def entry(index: int) -> dict[str, Any]:
            truth, prediction = assessment.describe(index)
            quality = float(assessment.quality[index])
            return {
                "source": assessment.sources[index],
                "truth": truth,
                "prediction": prediction,
                "quality": quality,
                "confidence_in_error": float(assessment.confident_errors[index]),
            }

        return {
            "worst": [entry(i) for i in self.worst],
            "most_confident_errors": [entry(i) for i in self.confident],
            "slices": [{**asdict(each), "differs": each.differs} for each in self.slices],
            "labels": [asdict(each) for each in self.labels],
            "labels_examined": self.labels_compared,
        }


def find_errors(subject: Subject) -> Errors:
    """Find where a model is wrong."""
    assessment = subject.assessment
    quality = assessment.quality
    confident = _confident_errors(assessment)
    worst = [i for i in _worst(assessment) if i not in confident]
    labels, compared, missing = _label_issues(subject)
    return Errors(
        worst[:_SHOWN],
        confident,
        compare_slices(quality, {**assessment.properties(), **_measured(subject)}),
        labels,
        compared,
        missing,
    )


def clearest_errors(assessment: Assessment) -> list[int]:
    """Indices of the samples with the most confident errors, otherwise of the worst ones."""
    return _confident_errors(assessment) or _worst(assessment)


def _worst(assessment: Assessment) -> list[int]:
    """Indices of the samples below the best quality, the worst first."""
    quality = assessment.quality
    order = np.argsort(np.where(np.isfinite(quality), quality, np.inf), kind="stable").tolist()
    return [i for i in order if np.isfinite(quality[i]) and quality[i] < 1]


def _confident_errors(assessment: Assessment) -> list[int]:
    """Indices of the samples with the most confident errors, at most twelve."""
    wrongness = assessment.confident_errors
    order = np.argsort(-wrongness, kind="stable").tolist()
    return [i for i in order if wrongness[i] > 0][:_SHOWN]


def _measured(subject: Subject) -> dict[str, Floats]:
    """Properties of the samples that their images have, by name."""
    dataset = subject.dataset
    known = [name for name in subject.assessment.sources if _is_image(dataset, name)]
    if len(known) < len(subject.assessment.sources):
        return {}
    rows = [image_properties(subject.read_image(name)) for name in known]
    return {key: np.array([row[key] for row in rows]) for key in rows[0]} if rows else {}


def _is_image(dataset: Any, name: str) -> bool:
    """Whether a sample is an image of the data set, rather than a pair of images."""
    try:
        dataset.index(name)
    except (KeyError, ValueError):
        return False
    return True


def _label_issues(subject: Subject) -> tuple[list[LabelIssue], int, str]:
    """Labels of all splits that look wrong, the number examined, and why none were."""
    task, scored = subject.task, subject.assessment.label_scores()
    if scored is None or scored.multi_label:
        return [], 0, "Not examined, as a sample does not have exactly one class."
    features, labels, sources = _features(subject)
    kept = np.isin(labels, np.flatnonzero(np.bincount(labels) >= 2))
    features, labels = features[kept], labels[kept]
    names = [name for name, keep in zip(sources, kept, strict=True) if keep]
    if len(labels) < MIN_SAMPLES or len(np.unique(labels)) < 2:
        return [], 0, f"Not examined: {counted(len(labels), 'label')} of too few classes."
    present, columns = np.unique(labels, return_inverse=True)
    scores = out_of_sample_scores(features, labels)
    listed, likely = rank_label_errors(scores, columns)
    classes = [task.class_names[k] for k in present]
    issues = [
        LabelIssue(
            names[i],
            classes[columns[i]],
            classes[int(scores[i].argmax())],
            float(scores[i, columns[i]]),
            wrong,
        )
        for i, wrong in zip(listed[:_ISSUES].tolist(), likely[:_ISSUES].tolist(), strict=True)
    ]
    return issues, len(labels), ""


def _features(subject: Subject) -> tuple[NDArray[np.float32], NDArray[np.int64], list[str]]:
    """Features, labels and names of the samples of all splits, each file once.

    Of many samples, evenly spaced ones.
    """
    evaluation, task = subject.evaluation, subject.task
    datasets = {split: evaluation.data.plain_dataset(split) for split in SPLITS}
    step = max(1, -(-sum(map(len, datasets.values())) // _EXAMINED))  # type: ignore[arg-type]
    vectors: list[NDArray[np.float32]] = []
    labels: list[int] = []
    sources: dict[str, None] = {}
    for split, dataset in datasets.items():
        chosen = range(0, len(dataset), step)  # type: ignore[arg-type]
        for batch in batches_of(evaluation, dataset, chosen):
            with torch.inference_mode():
                features = task.extract_features(batch["image"]).float()
            # Means over the positions of feature maps, or over the frames of clips.
            rows = features.mean((2, 3)) if features.ndim == 4 else features
            rows = rows.mean(1) if rows.ndim == 3 else rows
            for source, row, label in zip(
                batch["source"], rows.cpu().numpy(), batch["label"].tolist(), strict=True
            ):
                # Names that are not files are unique within a split only.
                name = source if Path(source).is_file() else f"{split} {source}"
                if name not in sources:
                    sources[name] = None
                    vectors.append(row)
                    labels.append(int(label))
    return np.stack(vectors), np.array(labels, np.int64), list(sources)
