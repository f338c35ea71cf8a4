"""Detectors: two-stage and one-stage on one feature pyramid, and torchvision's own ready-made."""

from models.detection.create import Architecture, create_detector

__all__ = ["Architecture", "create_detector"]
