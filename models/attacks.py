"""Adversarial attacks on networks that take uint8 images: FGSM, PGD and a printable patch.

An attacked image is again a uint8 image, as a file or a camera would hold it: perturbations are
measured on the scale of the pixels, and rounded to whole numbers before they count. Attacks that
perturb normalised values, or do not round, report success that no image file reproduces.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

_STEP = 2.5
"""PGD's steps reach this multiple of epsilon in all, so that they can cross the allowed cube."""


class AttackObjective(Protocol):
    """What an attack on a batch of images maximises."""

    def loss(self, images: Tensor) -> Tensor:
        """A differentiable loss of each image, of shape (batch,).

        Args:
            images: Float of the batch's shape, 0 to 255.
        """
        ...

    def damage(self, images: Tensor) -> Tensor:
        """How wrong the prediction of each image is, of shape (batch,); the larger, the worse.

        Args:
            images: uint8 of the batch's shape.
        """
        ...


@dataclass(frozen=True, eq=False)
class AttackGoal:
    """The goal of an attack.

    Attributes:
        name: In words, such as `wrong class`.
        objective: Of a batch of images.
        succeeded: From attacked images, uint8, to whether each attack succeeded, of shape (batch,);
            None where the metrics of the attacked images say so.
    """

    name: str
    objective: AttackObjective
    succeeded: Callable[[Tensor], Tensor] | None = None


def fgsm(objective: AttackObjective, images: Tensor, epsilon: float) -> Tensor:
    """The fast gradient sign method (Goodfellow et al. 2015, arXiv:1412.6572).

    Args:
        objective: Of these images.
        images: uint8 of shape (batch, ..., channels, height, width).
        epsilon: Largest change of a value, as a fraction of the range 0 to 255.

    Returns:
        The attacked images, uint8.
    """
    ascent = _gradient(objective, images.float()).sign()
    return to_uint8(images.float() + ascent * epsilon * 255, images, epsilon)


def pgd(
    objective: AttackObjective,
    images: Tensor,
    epsilon: float,
    steps: int = 20,
    restarts: int = 1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Projected gradient descent (Madry et al. 2018, arXiv:1706.06083).

    Each restart begins at a random point of the allowed cube; of all restarts and the original
    each image keeps the one of the largest damage.

    Args:
        objective: Of these images.
        images: uint8 of shape (batch, ..., channels, height, width).
        epsilon: Largest change of a value, as a fraction of the range 0 to 255.
        steps: Gradient steps.
        restarts: Number of random starts.
        generator: Of the random starts, on the CPU.

    Returns:
        The attacked images, uint8.
    """
    best, damage = images, objective.damage(images)
    for _ in range(restarts):
        values = pgd_values(objective, images, epsilon, steps, generator)
        candidate = to_uint8(values, images, epsilon)
        found = objective.damage(candidate)
        better = found > damage
        shape = (-1, *[1] * (images.ndim - 1))
        best = torch.where(better.view(shape), candidate, best)
        damage = torch.where(better, found, damage)
    return best


def pgd_values(
    objective: AttackObjective,
    images: Tensor,
    epsilon: float,
    steps: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """One start of PGD, not rounded, for adversarial training.

    Args:
        objective: Of these images.
        images: uint8 of shape (batch, ..., channels, height, width).
        epsilon: Largest change of a value, as a fraction of the range 0 to 255.
        steps: Gradient steps.
        generator: Of the random start, on the CPU.

    Returns:
        float of the shape of `images`, 0 to 255.
    """
    start, bound = images.float(), epsilon * 255
    step = _STEP * bound / steps
    noise = torch.rand(start.shape, generator=generator).to(start.device)
    values = (start + bound * (2 * noise - 1)).clamp(0, 255)
    for _ in range(steps):
        moved = values + step * _gradient(objective, values).sign()
        values = start + (moved - start).clamp(-bound, bound)
        values = values.clamp(0, 255)
    return values


def to_uint8(values: Tensor, images: Tensor, epsilon: float) -> Tensor:
    """Attacked values as an image, with changes of whole numbers that epsilon allows.

    Args:
        values: Float, 0 to 255.
        images: The images that were attacked, uint8.
        epsilon: Largest change of a value, as a fraction of the range 0 to 255.
    """
    # A little more, as 0.2 * 255 is not exactly 51.
    bound = math.floor(epsilon * 255 + 1e-6)
    change = (values - images.float()).round().clamp(-bound, bound)
    return (images.float() + change).clamp(0, 255).to(torch.uint8)


def _gradient(objective: AttackObjective, values: Tensor) -> Tensor:
    """The gradient of the loss; zeros where the loss does not depend on the images."""
    values = values.detach().requires_grad_()
    with torch.enable_grad():
        loss = objective.loss(values).sum()
        if not loss.requires_grad:
            return torch.zeros_like(values)
        (gradient,) = torch.autograd.grad(loss, values)
    return gradient.detach()


@dataclass(frozen=True, eq=False)
class Patch:
    """A square image that is placed, printed, in front of a camera.

    Attributes:
        pixels: uint8 of shape (channels, side, side).
    """

    pixels: Tensor

    @property
    def side(self) -> int:
        """Length of its sides in pixels of the network's input."""
        return int(self.pixels.shape[-1])

    def paste(self, images: Tensor, places: Tensor) -> Tensor:
        """Images with the patch.

        Args:
            images: uint8 of shape (batch, channels, height, width).
            places: Row and column of its upper left corner in each, of shape (batch, 2).
        """
        return paste_patch(images.float(), self.pixels.float(), places).to(torch.uint8)


def paste_patch(images: Tensor, patch: Tensor, places: Tensor) -> Tensor:
    """Float images (batch, channels, height, width) with a patch (channels, side, side) each."""
    side, (height, width) = patch.shape[-1], images.shape[-2:]
    pasted = []
    for image, (row, column) in zip(images, places.tolist(), strict=True):
        margins = (column, width - side - column, row, height - side - row)
        inside = F.pad(torch.ones_like(patch[:1]), margins)
        pasted.append(image * (1 - inside) + F.pad(patch, margins))
    return torch.stack(pasted)


def random_places(images: Tensor, side: int, generator: torch.Generator | None = None) -> Tensor:
    """Random places of a patch inside images, of shape (batch, 2)."""
    height, width = images.shape[-2:]
    limits = torch.tensor([height - side + 1, width - side + 1])
    return (torch.rand((len(images), 2), generator=generator) * limits).long()


def fit_patch(
    objective: AttackObjective,
    images: Tensor,
    area: float,
    steps: int = 40,
    generator: torch.Generator | None = None,
) -> Patch:
    """One patch for all images, wherever it is placed (Brown et al. 2017, arXiv:1712.09665).

    Args:
        objective: Of these images.
        images: uint8 of shape (batch, channels, height, width).
        area: Fraction of the image that the patch covers, 0 to 1.
        steps: Gradient steps, each with other random places.
        generator: Of the places, on the CPU.
    """
    height, width = images.shape[-2:]
    side = max(2, min(round((area * height * width) ** 0.5), height, width))
    pasted_on = images.float()
    patch = torch.full((images.shape[1], side, side), 127.5, device=images.device)
    for step in range(steps):
        places = random_places(images, side, generator)
        values = patch.detach().requires_grad_()
        with torch.enable_grad():
            loss = objective.loss(paste_patch(pasted_on, values, places)).sum()
            if not loss.requires_grad:
                break
            (gradient,) = torch.autograd.grad(loss, values)
        # From large steps to small ones.
        rate = 32 * (1 - step / steps)
        patch = (patch + rate * gradient.sign()).clamp(0, 255)
    return Patch(patch.round().to(torch.uint8))
