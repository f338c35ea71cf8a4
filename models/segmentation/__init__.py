"""Segmenters: a class for every pixel, on any backbone."""

from models.segmentation.create import Architecture, Upsampling, create_segmenter
from models.segmentation.losses import LOSSES, segmentation_losses
from models.segmentation.network import Segmenter

__all__ = [
    "LOSSES",
    "Architecture",
    "Segmenter",
    "Upsampling",
    "create_segmenter",
    "segmentation_losses",
]
