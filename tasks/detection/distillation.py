"""Pruning and distillation of one-stage detectors."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from visus.tasks.base import VisionTask
from visus.tasks.detection.networks import OneStageDetector
from visus.tasks.distillation import Distillation
from visus.vision.errors import VisusError


def describe_distillation(task: VisionTask) -> Distillation:
    """See `TaskSpec.distillation`.

    Raises:
        VisusError: If the detector has two stages.
    """
    network = task.network
    if not isinstance(network, OneStageDetector):
        raise VisusError(
            f"architecture {task.hparams['architecture']} cannot be compressed: layers of its "
            "second stage work on regions; choose one_stage"
        )
    levels = len(network.score_towers)
    scores = [f"network.score_towers.{i}.last" for i in range(levels)]
    sides = [f"network.side_towers.{i}.last" for i in range(levels)]
    return Distillation(
        imitated=[*scores, *sides],
        fixed=[*scores, *sides],
        run=_run,
        loss=lambda student, teacher: _imitation(student, teacher, levels),
        # Objects that the teacher misses; see docs/results.md.
        labels=True,
    )


def _run(task: VisionTask, images: Tensor) -> list[Tensor]:
    network = task.network
    assert isinstance(network, OneStageDetector)
    return network.level_outputs(images)


def _imitation(student: Sequence[Tensor], teacher: Sequence[Tensor], levels: int) -> Tensor:
    """The loss of scores and boxes that differ from the teacher's.

    Scores are compared at all positions; the distributions of the distances where the teacher sees
    an object, in proportion to its score, as in localisation distillation (Zheng et al. 2022).

    Args:
        student: Score logits of each level, then logits of the distances of each level.
        teacher: The same of the teacher.
        levels: Number of levels.
    """
    scores, expected = (_positions(each[:levels]) for each in (student, teacher))
    sides, expected_sides = (_positions(each[levels:]) for each in (student, teacher))
    soft = expected.sigmoid()
    total = soft.sum().clamp(min=1)
    score_loss = F.binary_cross_entropy_with_logits(scores, soft, reduction="sum")
    weights = soft.amax(-1)
    # Four distances, each a distribution over bins.
    shape = (*sides.shape[:2], 4, -1)
    divergence = F.kl_div(
        sides.reshape(shape).log_softmax(-1),
        expected_sides.reshape(shape).log_softmax(-1),
        reduction="none",
        log_target=True,
    ).sum((-1, -2))
    return (score_loss + (divergence * weights).sum()) / total


def _positions(maps: Sequence[Tensor]) -> Tensor:
    """Maps of all levels as one tensor of shape (batch, positions, channels)."""
    return torch.cat([each.flatten(2) for each in maps], dim=2).transpose(1, 2).float()
