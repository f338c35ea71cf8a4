"""Attacks: their limits, their strength beside another library's, and what they are after."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from visus.models.attacks import fgsm, fit_patch, pgd, random_places, to_uint8
from visus.tasks.class_attack import ClassAttack

EPSILON = 0.1


@pytest.fixture(scope="module")
def trained():
    """A small network that reads digits, its test images and their labels."""
    torch.manual_seed(0)
    digits = load_digits()
    images = torch.from_numpy((digits.images * 255 / 16).astype(np.uint8))[:, None]
    labels = torch.from_numpy(digits.target).long()
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(1024, 10),
    )  # fmt: skip
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    for step in range(150):
        chosen = torch.arange(step * 64, step * 64 + 64) % 1400
        loss = nn.functional.cross_entropy(logits(network)(images[chosen]), labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval(), images[1400:], labels[1400:]


def logits(network):
    return lambda images: network((images.float() - 80) / 90)


def right(network, images, labels):
    with torch.inference_mode():
        return float((logits(network)(images).argmax(1) == labels).float().mean())


@pytest.mark.parametrize("epsilon", [0.004, 0.02, 0.1])
def test_attacked_images_are_images_within_the_limit(trained, epsilon):
    network, images, labels = trained
    objective = ClassAttack(logits(network), labels)
    for attacked in (fgsm(objective, images, epsilon), pgd(objective, images, epsilon, 5)):
        assert attacked.dtype == torch.uint8 and attacked.shape == images.shape
        change = (attacked.int() - images.int()).abs().max()
        assert 0 < int(change) <= epsilon * 255 + 1e-6


def test_pgd_is_as_strong_as_that_of_another_library(trained):
    from art.attacks.evasion import ProjectedGradientDescent
    from art.estimators.classification import PyTorchClassifier

    network, images, labels = trained

    class Scaled(nn.Module):
        def forward(self, values):
            return logits(network)(values)

    other = PyTorchClassifier(
        Scaled(), nn.CrossEntropyLoss(), (1, 8, 8), 10, clip_values=(0, 255), device_type="cpu"
    )
    attack = ProjectedGradientDescent(
        other, eps=EPSILON * 255, eps_step=2.5 * EPSILON * 255 / 20, max_iter=20,
        num_random_init=2, batch_size=400, verbose=False,
    )  # fmt: skip
    theirs = torch.from_numpy(attack.generate(images.numpy().astype(np.float32), labels.numpy()))
    objective = ClassAttack(logits(network), labels)
    ours = pgd(objective, images, EPSILON, 20, 2, torch.Generator().manual_seed(0))
    clean, robust = right(network, images, labels), right(network, ours, labels)
    assert clean > 0.9 and robust < clean - 0.2
    assert robust <= right(network, theirs, labels) + 0.01
    # One step is weaker than twenty.
    assert robust <= right(network, fgsm(objective, images, EPSILON), labels)


def test_several_labels_are_attacked(trained):
    network, images, _ = trained
    with torch.inference_mode():
        labels = (logits(network)(images) > 0).long()
    objective = ClassAttack(logits(network), labels)
    assert (objective.damage(images) <= 0).all()
    attacked = pgd(objective, images, EPSILON, 10)
    assert (objective.damage(attacked) > 0).float().mean() > 0.9


def test_a_patch_works_at_other_places(trained):
    network, images, labels = trained
    objective = ClassAttack(logits(network), labels)
    patch = fit_patch(objective, images, 0.14, 30, torch.Generator().manual_seed(0))
    assert patch.pixels.shape == (1, 3, 3) and patch.pixels.dtype == torch.uint8
    places = random_places(images, 3, torch.Generator().manual_seed(5))
    assert places.min() >= 0 and places.max() <= 5
    pasted = patch.paste(images, places)
    assert right(network, pasted, labels) < right(network, images, labels) - 0.2
    row, column = places[0].tolist()
    inside = pasted[0, :, row : row + 3, column : column + 3]
    assert (inside == patch.pixels).all()
    untouched = pasted[0].clone()
    untouched[:, row : row + 3, column : column + 3] = images[
        0, :, row : row + 3, column : column + 3
    ]
    assert (untouched == images[0]).all()


def test_a_loss_without_gradient_changes_nothing():
    class Constant:
        def loss(self, images):
            return torch.zeros(len(images))

        def damage(self, images):
            return torch.zeros(len(images))

    images = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    assert (fgsm(Constant(), images, 0.1) == images).all()
    assert (pgd(Constant(), images, 0.1, 2) == images).all()
    assert (to_uint8(images + 300.0, images, 0.0) == images).all()
