"""What breaks a model: common corruptions of its images, and adversarial attacks."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visus.apps.report.subject import Subject
from visus.models.attacks import AttackGoal, fgsm, fit_patch, pgd, random_places
from visus.tasks.base import Batch
from visus.tasks.folded_norms import fold_frozen_norms
from visus.vision.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from visus.vision.errors import VisusError
from visus.vision.progress import track
from visus.vision.resize import Geometry

_CORRUPTED = 64
"""Samples that are corrupted, 35 times each."""

_ATTACKED = 24
"""Images that are attacked."""

_EPSILONS = (2 / 255, 8 / 255)
"""Largest change of a value by FGSM and PGD, as a fraction of its range."""

_STEPS = 20
_PATCH_AREA = 0.05
_PATCH_STEPS = 20


@dataclass(frozen=True)
class CorruptionResult:
    """The main metric under a corruption.

    Attributes:
        name: The corruption.
        metrics: At the severities 1 to 5.
        drop: Mean relative loss, 0 for none; NaN where the metric is undefined.
    """

    name: str
    metrics: tuple[float, ...]
    drop: float


@dataclass(frozen=True)
class AttackResult:
    """The main metric under an attack.

    Attributes:
        attack: Its name.
        goal: What it is after.
        epsilon: Largest change as a fraction of the range; of a patch the fraction of the area.
        metric: The main metric of the attacked images; None where only success is measured.
        success: Fraction of attacks that succeeded; None where the metric says so.
    """

    attack: str
    goal: str
    epsilon: float
    metric: float | None
    success: float | None


@dataclass(frozen=True, eq=False)
class Robustness:
    """What breaks a model.

    Attributes:
        main: Name of the main metric.
        clean: The metric of the corrupted samples before.
        samples: Number of these.
        corruptions: One result each.
        mean_drop: Mean over the corruptions.
        attacked: Number of attacked images.
        attacked_clean: The metric of these before.
        attacks: One result each; empty for a task that is not attacked.
        missing: Why attacks are missing; empty if they are not.
    """

    main: str
    clean: float
    samples: int
    corruptions: Sequence[CorruptionResult]
    mean_drop: float
    attacked: int
    attacked_clean: float
    attacks: Sequence[AttackResult]
    missing: str

    def to_json(self) -> dict[str, Any]:
        """All numbers as plain values."""
        return {
            "metric": self.main,
            "clean": _plain(self.clean),
            "samples": self.samples,
            "mean_relative_drop": _plain(self.mean_drop),
            "corruptions": {
                each.name: {
                    "metrics": [_plain(value) for value in each.metrics],
                    "relative_drop": _plain(each.drop),
                }
                for each in self.corruptions
            },
            "attacked": self.attacked,
            "attacked_clean": _plain(self.attacked_clean),
            "attacks": [{**asdict(each), "metric": _plain(each.metric)} for each in self.attacks],
        }


def _plain(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def measure_robustness(subject: Subject) -> Robustness:
    """Measure the main metric under corruptions and attacks, on a part of the samples."""
    assessment = subject.assessment
    sources = assessment.subset(_CORRUPTED)
    clean = subject.main_metric(subject.batches(sources))
    results = [
        _measure_corruption(subject, sources, name, clean)
        for name in track(list(CORRUPTIONS), "Corrupting images", len(CORRUPTIONS))
    ]
    drops = [each.drop for each in results if math.isfinite(each.drop)]
    chosen = assessment.subset(_ATTACKED)
    attacks, missing = _measure_attacks(subject, chosen)
    before = subject.main_metric(subject.batches(chosen))
    return Robustness(
        assessment.main,
        clean,
        len(sources),
        results,
        float(np.mean(drops)) if drops else math.nan,
        len(chosen),
        before,
        attacks,
        missing,
    )


def _measure_corruption(
    subject: Subject, sources: Sequence[str], name: str, clean: float
) -> CorruptionResult:
    metrics = tuple(
        subject.main_metric(_corrupted(subject.batches(sources), name, severity))
        for severity in SEVERITIES
    )
    changes = np.array(metrics) - clean
    worse = -changes if subject.assessment.higher_is_better else changes
    drop = float(worse.mean() / abs(clean)) if clean else math.nan
    return CorruptionResult(name, metrics, drop)


def _corrupted(batches: Iterator[Batch], name: str, severity: int) -> Iterator[Batch]:
    seed = 0
    for batch in batches:
        images = batch["image"].clone()
        for i, geometry in enumerate(batch["geometry"]):
            seed += 1
            _corrupt_in_place(images[i], geometry, name, severity, seed)
        yield {**batch, "image": images}


def _corrupt_in_place(image: Tensor, geometry: object, name: str, severity: int, seed: int) -> None:
    """Corrupt the frames of a clip alike, or an image, of shape (..., channels, height, width)."""
    rows, columns = slice(None), slice(None)
    if isinstance(geometry, Geometry):
        # The padding of a letterbox is not part of what a camera sees.
        rows, columns = geometry.inside
    for frame in image.flatten(0, -4) if image.ndim > 3 else image[None]:
        inside = frame[:, rows, columns]
        pixels = np.ascontiguousarray(inside.permute(1, 2, 0).numpy())
        inside[:] = torch.from_numpy(corrupt(pixels, name, severity, seed)).permute(2, 0, 1)


def _measure_attacks(subject: Subject, sources: Sequence[str]) -> tuple[list[AttackResult], str]:
    """The results of FGSM, PGD and a patch, and why there are none."""
    task = subject.task
    first = next(subject.batches(sources[:2]))
    if not task.spec.attacks(task, _on_device(subject, first)):
        return [], f"{task.spec.title} is not attacked; classes, pixels, objects and faces are"
    # Without gradients of the weights, and of the norms, a step takes a third less time.
    task.requires_grad_(False)
    fold_frozen_norms(task.network)
    kinds = [("FGSM", epsilon) for epsilon in _EPSILONS] + [("PGD", e) for e in _EPSILONS]
    if first["image"].ndim == 4:
        kinds.append(("patch", _PATCH_AREA))
    results: list[AttackResult] = []
    try:
        for attack, epsilon in track(kinds, "Attacking images", len(kinds)):
            results += _measure_attack(subject, sources, attack, epsilon)
    except (torch.OutOfMemoryError, MemoryError):
        raise VisusError(
            "--sections robustness: the memory does not suffice for attacks, which need the "
            "gradients of a batch; lower data.batch_size in training, or leave this section out"
        ) from None
    return results, ""


def _measure_attack(
    subject: Subject, sources: Sequence[str], attack: str, epsilon: float
) -> list[AttackResult]:
    """The result of each goal of an attack."""
    task = subject.task
    attacked: dict[str, list[Batch]] = {}
    successes: dict[str, list[Tensor]] = {}
    for batch in subject.batches(sources):
        moved = _on_device(subject, batch)
        for goal in task.spec.attacks(task, moved):
            images = _attack(goal, moved["image"], attack, epsilon)
            attacked.setdefault(goal.name, []).append({**batch, "image": images.cpu()})
            if goal.succeeded is not None:
                successes.setdefault(goal.name, []).append(goal.succeeded(images).cpu())
    results = []
    for name, batches in attacked.items():
        success = None
        if name in successes:
            success = float(torch.cat(successes[name]).float().mean())
            metric = None
        else:
            metric = subject.main_metric(iter(batches))
        results.append(AttackResult(attack, name, epsilon, metric, success))
    return results


def _attack(goal: AttackGoal, images: Tensor, attack: str, epsilon: float) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    if attack == "FGSM":
        return fgsm(goal.objective, images, epsilon)
    if attack == "PGD":
        return pgd(goal.objective, images, epsilon, _STEPS, generator=generator)
    patch = fit_patch(goal.objective, images, epsilon, _PATCH_STEPS, generator)
    # At other places than those that it was fitted to.
    places = random_places(images, patch.side, torch.Generator().manual_seed(1))
    return patch.paste(images, places)


def _on_device(subject: Subject, batch: Batch) -> Batch:
    return subject.task.transfer_batch_to_device(batch, subject.task.device, 0)
