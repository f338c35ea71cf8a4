"""Random numbers for augmentation that differ by sample and epoch, and repeat with the seed."""

import random

import albumentations as A
import numpy as np
import torch


class SharedRandom:
    """One stream of random numbers for all steps of a recipe, begun anew for every sample.

    It follows PyTorch's global generator, which differs between worker processes and epochs.
    (albumentations 2.0.8 by itself repeats its changes from epoch to epoch in workers, and its
    `set_random_seed` gives each step the same numbers, so that a mirrored image would always be
    shifted the same way.)

    Attributes:
        python: For choices of our own.
    """

    def __init__(self) -> None:
        self.numpy = np.random.default_rng()
        self.python = random.Random()

    def lend_to(self, compose: A.Compose) -> A.Compose:
        """Make a recipe draw its numbers here."""
        compose.set_random_state(self.numpy, self.python)
        return compose

    def begin(self) -> None:
        """Start the stream for one sample."""
        seed = int(torch.randint(2**31 - 1, ()))
        self.python.seed(seed)
        self.numpy.bit_generator.state = np.random.PCG64(seed).state
