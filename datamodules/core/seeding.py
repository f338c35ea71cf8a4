"""Reseed albumentations for every sample, from PyTorch's generator."""

import random

import albumentations as A
import numpy as np
import torch


class AugmentationRandom:
    """The random generators of an augmentation pipeline, reseeded for every sample.

    The seeds come from PyTorch's global generator, which differs between worker processes and
    epochs and follows the seed of the training. (albumentations 2.0.8 by itself repeats its
    augmentations from epoch to epoch in workers, and its `set_random_seed` gives each transform
    the same random numbers, so that a mirrored image would always be shifted the same way.)

    Attributes:
        numpy: Generator of the transforms.
        python: Generator of the transforms and of other random choices.
    """

    def __init__(self) -> None:
        self.numpy = np.random.default_rng()
        self.python = random.Random()

    def attach(self, compose: A.Compose) -> A.Compose:
        """Make a pipeline use these generators; returns the pipeline."""
        compose.set_random_state(self.numpy, self.python)
        return compose

    def reseed(self) -> None:
        """Reseed both generators; call it before each sample."""
        seed = int(torch.randint(2**31 - 1, ()))
        self.python.seed(seed)
        self.numpy.bit_generator.state = np.random.PCG64(seed).state
