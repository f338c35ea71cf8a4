"""Backbones: networks from images to feature maps, built by name."""

from visus.models.backbones.base import Backbone
from visus.models.backbones.googlenet import googlenet
from visus.models.backbones.pyramid import FeaturePyramid
from visus.models.backbones.registry import (
    accepted_options,
    create_backbone,
    is_own_backbone,
    list_backbones,
    register_backbone,
)
from visus.models.backbones.small import alexnet, convnet, lenet5, resnet9
from visus.models.backbones.staged import StagedBackbone

__all__ = [
    "Backbone",
    "FeaturePyramid",
    "StagedBackbone",
    "accepted_options",
    "alexnet",
    "convnet",
    "create_backbone",
    "googlenet",
    "is_own_backbone",
    "lenet5",
    "list_backbones",
    "register_backbone",
    "resnet9",
]
