"""The section on errors."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from visus.apps.pages.figures import data_uri
from visus.apps.pages.section import Section
from visus.apps.report.errors import Errors
from visus.apps.report.subject import Subject
from visus.tasks.spec import Explanation, TaskSpec
from visus.vision.images import ImageError, Pixels, read_image, visible

_SIDE = 320
"""Longer side of the images in pixels."""


def errors_section(subject: Subject, errors: Errors) -> Section:
    """The worst samples, weak slices and labels that look wrong."""
    return Section(
        "errors",
        "Errors",
        {
            "errors": errors,
            "quality_name": subject.assessment.quality_name,
            "unit": subject.assessment.unit,
            "worst": _cards(subject, errors.worst),
            "confident": _cards(subject, errors.confident),
            "slices": [each for each in errors.slices if each.differs],
            "labels": [(issue, _label_image(issue.source, subject)) for issue in errors.labels],
        },
    )


def thumbnail(image: Pixels, side: int = _SIDE) -> str:
    """A data address of an image, reduced to a longer side of so many pixels."""
    scale = side / max(image.shape[:2])
    if scale >= 1:
        return data_uri(image, lossless=max(image.shape[:2]) <= 64)
    size = [max(1, round(length * scale)) for length in (image.shape[1], image.shape[0])]
    return data_uri(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8))


def _cards(subject: Subject, indices: Sequence[int]) -> list[dict[str, object]]:
    """The images of samples with their captions."""
    assessment = subject.assessment
    cards = []
    for index in indices:
        truth, prediction = assessment.describe(index)
        images = assessment.draw(index, subject.read_image)
        explained = _main_map(subject, assessment.sources[index])
        if explained is not None:
            images.append((explained.caption, explained.image))
        cards.append(
            {
                "source": assessment.sources[index],
                "truth": truth,
                "prediction": prediction,
                "quality": float(assessment.quality[index]),
                "images": [(caption, thumbnail(image)) for caption, image in images],
            }
        )
    return cards


def _main_map(subject: Subject, source: str) -> Explanation | None:
    """The gradient-based map of the main part of a prediction; None for a task without one."""
    spec = subject.task.spec
    explain = spec.explain()
    # Other tasks explain single words, or nothing by gradients.
    if explain is None or type(spec).targets is TaskSpec.targets:
        return None
    maps = explain(subject.task, subject.read_image(source))
    return maps[0] if maps else None


def _label_image(source: str, subject: Subject) -> str:
    """The image of a label, of any split; empty where it cannot be read again."""
    if Path(source).is_file():
        try:
            return thumbnail(visible(read_image(source)), 160)
        except ImageError:
            return ""
    split, _, name = source.partition(" ")
    dataset = subject.evaluation.data.plain_dataset(split)
    image = dataset.image(dataset.index(name))  # type: ignore[attr-defined]
    return thumbnail(visible(np.asarray(image, np.uint8)), 160)
