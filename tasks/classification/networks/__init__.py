"""What comes before a backbone in classification: the spatial transformer."""

from visus.tasks.classification.networks.spatial_transformer import SpatialTransformer

__all__ = ["SpatialTransformer"]
