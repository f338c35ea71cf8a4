"""Detectors: two-stage and one-stage on one feature pyramid, and torchvision's own ready-made."""

from visus.tasks.detection.networks.create import Architecture, create_detector
from visus.tasks.detection.networks.one_stage import OneStageDetector
from visus.tasks.detection.networks.two_stage import TwoStageDetector

__all__ = ["Architecture", "OneStageDetector", "TwoStageDetector", "create_detector"]
