"""Attacks on face recognition: to be nobody that is known, and to be someone else."""

from collections.abc import Sequence

import torch
from torch import Tensor

from visus.models.attacks import AttackGoal
from visus.tasks.base import Batch, VisionTask

_DARKER = 0.9
"""Brightness of the copy of an image that it is compared with."""


class SimilarityAttack:
    """Changes how similar faces are to others; see `visus.models.attacks.AttackObjective`.

    Args:
        task: A face recogniser in evaluation mode.
        targets: Embedding that each face is compared with, of shape (batch, size).
        sign: 1 to become more similar, -1 to become less similar.
    """

    def __init__(self, task: VisionTask, targets: Tensor, sign: int) -> None:
        self.task = task
        self.targets = targets
        self.sign = sign

    def similarities(self, images: Tensor) -> Tensor:
        """The cosine similarity of each face to its target."""
        embeddings: Tensor = self.task(images)[0].float()
        return (embeddings * self.targets).sum(1)

    def loss(self, images: Tensor) -> Tensor:
        """The similarity, or minus the similarity."""
        return self.sign * self.similarities(images)

    def damage(self, images: Tensor) -> Tensor:
        """As `loss`."""
        with torch.inference_mode():
            return self.loss(images)


def face_attacks(task: VisionTask, batch: Batch) -> list[AttackGoal]:
    """Attack goals: evade recognition, and impersonate the next person of the batch.

    The first succeeds where the similarity to a darker copy of the image itself falls below the
    calibrated threshold, the second where that to the other person reaches it; the second is left
    out for a batch of one person.
    """
    images: Tensor = batch["image"]
    with torch.no_grad():
        # To the very same image the similarity has no gradient.
        darker: Tensor = task((images * _DARKER).to(images.dtype))[0].float()
        embeddings: Tensor = task(images)[0].float()
    threshold = float(task.options()["threshold"])
    hidden = SimilarityAttack(task, darker, -1)
    goals = [AttackGoal("not recognised", hidden, lambda x: -hidden.damage(x) < threshold)]
    others = [_next_person(batch["name"], i) for i in range(len(batch["name"]))]
    if None in others:
        return goals
    posing = SimilarityAttack(task, embeddings[others], 1)
    goal = "taken for another person"
    return [*goals, AttackGoal(goal, posing, lambda x: posing.damage(x) >= threshold)]


def _next_person(names: Sequence[str], index: int) -> int | None:
    """Index of the next image of another person; None where there is none."""
    order = [*range(index + 1, len(names)), *range(index)]
    return next((k for k in order if names[k] != names[index]), None)
