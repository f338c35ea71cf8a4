"""Detectors: two-stage and one-stage on any backbone, and torchvision's pretrained detectors."""

from visus.tasks.detection.networks.create import Architecture, create_detector
from visus.tasks.detection.networks.one_stage import OneStageDetector
from visus.tasks.detection.networks.two_stage import TwoStageDetector

__all__ = ["Architecture", "OneStageDetector", "TwoStageDetector", "create_detector"]
