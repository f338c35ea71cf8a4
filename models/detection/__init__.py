"""Detectors: two-stage and one-stage on one feature pyramid, and torchvision's own ready-made."""

from models.detection.create import Architecture, create_detector
from models.detection.one_stage import OneStageDetector
from models.detection.two_stage import TwoStageDetector

__all__ = ["Architecture", "OneStageDetector", "TwoStageDetector", "create_detector"]
