"""The registry of CNN backbones: a name to a network that turns images into feature maps."""

from visus.models.backbones.base import Backbone
from visus.models.backbones.pyramid import FeaturePyramid
from visus.models.backbones.registry import (
    accepted_options,
    create_backbone,
    is_own_backbone,
    list_backbones,
    register_backbone,
)
from visus.models.backbones.small import alexnet, convnet, lenet5, resnet9

__all__ = [
    "Backbone",
    "FeaturePyramid",
    "accepted_options",
    "alexnet",
    "convnet",
    "create_backbone",
    "is_own_backbone",
    "lenet5",
    "list_backbones",
    "register_backbone",
    "resnet9",
]
