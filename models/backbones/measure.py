"""Measure a backbone without its weights, for the table of all backbones."""

import warnings

import torch

from visus.models.backbone_table import BackboneRow
from visus.models.backbones.registry import create_backbone


def measure_backbone(name: str) -> BackboneRow | None:
    """Build a backbone for RGB images without allocating its weights, and describe it.

    Args:
        name: See `create_backbone`.

    Returns:
        Its row of the table; None if the network has no feature maps.
    """
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            backbone = create_backbone(name, 3)
        except Exception:
            # Networks without feature maps are not backbones; each family has its own error.
            return None
    parameters = sum(p.numel() for p in backbone.parameters())
    return BackboneRow(name, parameters, backbone.strides, backbone.channels)
