"""What a task's training under a time budget may choose from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BudgetChoices:
    """Choices for a training under a time budget, from fast to accurate.

    Attributes:
        sizes: Sizes of the network's input relative to that of the data, ascending.
        backbones: Names of backbones of one family, ascending in accuracy; the first ones are
            tried with the smallest input.
        epochs: Number of epochs after which a larger input, then a larger backbone, improves the
            result more than further epochs do.
        crop: Sides of training crops relative to the input, where the data have crops; smaller ones
            take less time at the same resolution. 1 for whole images.
        fits_head: Whether `VisionTask.fit_head` is defined.
        grows: Whether training images may grow during the training, by `data.train_scale`.
    """

    sizes: tuple[float, ...] = (1.0,)
    backbones: tuple[str, ...] = ()
    epochs: float = 10.0
    crop: float = 1.0
    fits_head: bool = False
    grows: bool = False
