"""What a task's training under a time budget may choose from."""

from dataclasses import dataclass

_EPOCH_SAMPLES = 1000
_CLASS_SAMPLES = 20
"""Samples of each class that an epoch of a large data set has at least."""


@dataclass(frozen=True)
class BudgetChoices:
    """Choices for a training under a time budget, from fast to accurate.

    Attributes:
        sizes: Sizes of the network's input relative to that of the data, ascending; those above 1
            are for data whose images are larger than their input.
        backbones: Names of backbones of one family, ascending in accuracy; the first ones are
            tried with the smallest input.
        epochs: Number of epochs after which a larger input, then a larger backbone, improves the
            result more than further epochs do; see `epochs_needed`.
        crop: Sides of training crops relative to the input, where the data have crops; smaller ones
            take less time at the same resolution. 1 for whole images.
        enlarged: Shorter sides in pixels to which the input of smaller images may be enlarged,
            ascending: networks that were trained on photographs shrink it by a factor of 32.
        averaged: Approximate fraction of the training, at its end, over which weights are averaged.
        validates_part: Whether metrics may be estimated from a part of the validation samples.
        fits_head: Whether `VisionTask.fit_head` is defined.
        grows: Whether training images may grow during the training, by `data.train_scale`.
    """

    sizes: tuple[float, ...] = (1.0,)
    backbones: tuple[str, ...] = ()
    epochs: float = 10.0
    crop: float = 1.0
    enlarged: tuple[int, ...] = ()
    averaged: float = 0.2
    validates_part: bool = False
    fits_head: bool = False
    grows: bool = False

    def epochs_needed(self, samples: int, classes: int) -> float:
        """`epochs` for a data set with this number of training samples and classes."""
        return self.epochs * epoch_share(samples, classes)


def epoch_share(samples: int, classes: int) -> float:
    """Fraction of a large data set that replaces one epoch of a small one.

    Fine-tuning needs a number of samples rather than of epochs: a new sample is worth at least as
    much as one that is seen again.

    Args:
        samples: Number of training samples.
        classes: Number of classes.
    """
    return min(1.0, max(_EPOCH_SAMPLES, _CLASS_SAMPLES * classes) / max(1, samples))
