"""Segmentation networks: a class for every pixel, on any backbone."""

from visus.tasks.segmentation.networks.create import (
    Architecture,
    Refinement,
    Upsampling,
    create_segmenter,
)
from visus.tasks.segmentation.networks.losses import LOSSES, segmentation_losses
from visus.tasks.segmentation.networks.network import Segmenter

__all__ = [
    "LOSSES",
    "Architecture",
    "Refinement",
    "Segmenter",
    "Upsampling",
    "create_segmenter",
    "segmentation_losses",
]
