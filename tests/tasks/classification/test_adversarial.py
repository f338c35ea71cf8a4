"""Adversarial training: more robust than training on images as they are."""

import pytest
import torch

from visus.apps.training.evaluation import load_evaluation
from visus.datamodules.core.loading import make_loader
from visus.models.attacks import pgd

DIGITS = ("fit", "--config", "classification/digits", "--data.num_workers", "0")
EPSILON = 0.08


def accuracies(run):
    """Accuracy on test images, and on attacked ones."""
    evaluation = load_evaluation(str(run))
    batch = next(iter(make_loader(evaluation.data.plain_dataset("test"), 150, 0)))
    (goal,) = evaluation.task.spec.attacks(evaluation.task, batch)
    attacked = pgd(goal.objective, batch["image"], EPSILON, 10, 1, torch.Generator().manual_seed(0))
    return [
        float((goal.objective.damage(x) < 0).float().mean()) for x in (batch["image"], attacked)
    ]


def test_training_on_attacked_images_makes_a_network_more_robust(visus, workplace):
    defence = ("--model.adversarial", "pgd", "--model.epsilon", EPSILON)
    for arguments in ((), defence):
        code, _, err = visus(*DIGITS, "--trainer.max_epochs", "6", *arguments)
        assert code == 0, err
    plain, defended = map(accuracies, sorted(workplace.glob("runs/*/*/*")))
    assert plain[0] > 0.85 and defended[0] > 0.7
    assert defended[1] > plain[1] + 0.15


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--model.adversarial", "pgd", "--model.mixup", "0.2"),
            "set model.mixup and model.cutmix",
        ),
        (("--model.adversarial", "fgsm"), "adversarial"),
        (("--model.epsilon", "1.5"), "model.epsilon 1.5 must be at least 0 and below 1"),
        (("--model.temperature", "0"), "model.temperature 0.0 must be above 0"),
    ],
)
def test_wrong_arguments(visus, arguments, words):
    code, _, err = visus(*DIGITS, *arguments)
    assert code == 2 and words in err, err
