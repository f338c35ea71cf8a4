"""Explanation maps of single samples, and their faithfulness by the deletion test."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visus.apps.inference.explaining import Explainer, explain_by_occlusion
from visus.apps.inference.loading import torch_model
from visus.apps.report.subject import Subject
from visus.tasks.spec import Explanation
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.model import Model
from visus.vision.occlusion import Target
from visus.vision.progress import track

_SHOWN = 6
"""Samples that are explained, half of them errors."""

_DELETED = 12
"""Samples of which a part is deleted."""

_CELLS = 20
"""Cells along each side that are deleted as a whole: single pixels would act as noise."""

_SHARE = 0.1
_BATCH = 8
_DRAWS = 5


@dataclass(frozen=True, eq=False)
class Explained:
    """A sample with its maps.

    Attributes:
        source: Its name.
        truth: In words.
        prediction: In words.
        image: The explained image, uint8 of shape (height, width, channels).
        maps: The maps that explain the prediction.
    """

    source: str
    truth: str
    prediction: str
    image: Pixels
    maps: Sequence[Explanation]


@dataclass(frozen=True)
class Deletion:
    """How much a score drops when a tenth of the image is replaced by its mean colour.

    Attributes:
        map: Caption of the kind of map that ranks the parts, such as `Grad-CAM`.
        samples: Number of samples.
        ranked: Mean drop for the tenth that the map ranks highest.
        random: Mean drop for a random tenth.
    """

    map: str
    samples: int
    ranked: float
    random: float


@dataclass(frozen=True, eq=False)
class Explanations:
    """Explanations of some predictions, and a check of such maps.

    Attributes:
        explained: Some samples with their maps.
        deletions: Of each kind of map.
        missing: Why there are none; empty if there are.
    """

    explained: Sequence[Explained]
    deletions: Sequence[Deletion]
    missing: str

    def to_json(self) -> dict[str, Any]:
        """All numbers as plain values."""
        return {
            "explained": [
                {
                    "source": each.source,
                    "truth": each.truth,
                    "prediction": each.prediction,
                    "maps": [one.caption for one in each.maps],
                }
                for each in self.explained
            ],
            "deletion": [vars(each) for each in self.deletions],
        }


def explain_samples(subject: Subject, chosen: Sequence[int]) -> Explanations:
    """Explain some samples, and check the maps by deletion.

    Args:
        subject: The task and its samples.
        chosen: Indices of errors, the most interesting first.
    """
    assessment = subject.assessment
    model = torch_model(subject.task.spec.name, subject.task)
    good = np.argsort(-np.nan_to_num(assessment.quality, nan=-1), kind="stable").tolist()
    indices = [*chosen[: _SHOWN // 2], *(i for i in good if i not in chosen)][:_SHOWN]
    explain: Explainer | None = None
    explained = []
    for index in track(indices, "Explaining samples", len(indices)):
        truth, prediction = assessment.describe(index)
        source = assessment.sources[index]
        found = assessment.explainable(index, subject.read_image)
        if found is not None:
            maps = explain_by_occlusion(found.image, found.names, found.scores, _BATCH)
            explained.append(Explained(source, truth, prediction, found.image, maps))
            continue
        try:
            explain = explain or Explainer(model)
        except VisusError as error:
            return Explanations([], [], str(error).removeprefix("--explain: "))
        image = subject.read_image(source)
        explained.append(Explained(source, truth, prediction, image, explain(image)))
    if explain is None:
        return Explanations(explained, [], "")
    sources = assessment.subset(_DELETED)
    images = [subject.read_image(name) for name in sources]
    return Explanations(explained, measure_deletion(explain, images), "")


def measure_deletion(explain: Explainer, images: Sequence[Pixels]) -> list[Deletion]:
    """Compare the deletion of the parts that each kind of map ranks highest with random parts.

    Args:
        explain: Explains the model.
        images: uint8 of shape (height, width, channels).
    """
    rng = np.random.default_rng(0)
    drops: dict[str, list[float]] = {}
    random: dict[str, list[float]] = {}
    for image in track(images, "Deleting parts", len(images)):
        targets = explain.spec.targets(explain.model.predict(image))
        if not targets:
            continue
        target = targets[0]
        before = _score(explain.model, image, target)
        cells = _cells(image.shape)
        count = max(1, round(_SHARE * len(cells)))
        by_chance = [
            _score(
                explain.model,
                _delete(image, [cells[i] for i in rng.permutation(len(cells))[:count]]),
                target,
            )
            for _ in range(_DRAWS)
        ]
        for kind, heat in _first_of_each_kind(explain(image)).items():
            order = np.argsort([-float(heat[cell].mean()) for cell in cells], kind="stable")
            ranked = [cells[i] for i in order[:count]]
            after = _score(explain.model, _delete(image, ranked), target)
            drops.setdefault(kind, []).append(before - after)
            random.setdefault(kind, []).append(before - float(np.mean(by_chance)))
    return [
        Deletion(kind, len(values), float(np.mean(values)), float(np.mean(random[kind])))
        for kind, values in drops.items()
    ]


def _first_of_each_kind(maps: Sequence[Explanation]) -> dict[str, NDArray[np.float32]]:
    """The first map of each kind, which explains the first target."""
    first: dict[str, NDArray[np.float32]] = {}
    for each in maps:
        if each.heat is not None:
            first.setdefault(each.caption.partition(":")[0], each.heat)
    return first


def _score(model: Model, image: Pixels, target: Target) -> float:
    return target.score(model.predict(image))


def _cells(shape: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """The cells of an image of (height, width, ...), at least a pixel each."""
    rows, columns = (
        np.linspace(0, length, min(_CELLS, length) + 1).round().astype(int).tolist()
        for length in shape[:2]
    )
    return [
        (slice(*vertical), slice(*horizontal))
        for vertical in pairwise(rows)
        for horizontal in pairwise(columns)
    ]


def _delete(image: Pixels, cells: Sequence[tuple[slice, slice]]) -> Pixels:
    """A copy in which cells have the mean colour."""
    changed = image.copy()
    mean = image.reshape(-1, image.shape[2]).mean(0).round().astype(np.uint8)
    for rows, columns in cells:
        changed[rows, columns] = mean
    return changed
