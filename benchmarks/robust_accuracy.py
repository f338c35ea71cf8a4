"""The accuracy of classifiers on attacked test images: PGD with restarts (Madry et al. 2018).

python benchmarks/robust_accuracy.py RUN [RUN ...] --epsilon 0.1 [--images 1000]
"""

import argparse

import torch

from visus.apps.report.subject import batches_of
from visus.apps.training.evaluation import load_evaluation
from visus.models.attacks import pgd

_STEPS, _RESTARTS = 20, 5


def main() -> None:
    """Print the accuracy of each run on images as they are and on attacked ones."""
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--epsilon", type=float, default=8 / 255)
    parser.add_argument("--images", type=int, default=1000)
    args = parser.parse_args()
    for run in args.runs:
        clean, robust, count = measure(run, args.epsilon, args.images)
        print(
            f"{run}: accuracy {clean:.3f}; {robust:.3f} under PGD-{_STEPS} with {_RESTARTS} "
            f"restarts, epsilon {args.epsilon:.4g}; {count} test images",
            flush=True,
        )


def measure(run: str, epsilon: float, images: int) -> tuple[float, float, int]:
    """Accuracy as it is, accuracy under attack, and the number of test images."""
    evaluation = load_evaluation(run)
    task, dataset = evaluation.task, evaluation.data.plain_dataset("test")
    count = min(images, len(dataset))  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    right = robust = 0
    for batch in batches_of(evaluation, dataset, range(count)):
        moved = task.transfer_batch_to_device(batch, task.device, 0)
        (goal,) = task.spec.attacks(task, moved)
        attacked = pgd(goal.objective, moved["image"], epsilon, _STEPS, _RESTARTS, generator)
        right += int((goal.objective.damage(moved["image"]) < 0).sum())
        robust += int((goal.objective.damage(attacked) < 0).sum())
    return right / count, robust / count, count


if __name__ == "__main__":
    main()
