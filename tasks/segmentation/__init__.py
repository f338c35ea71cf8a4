"""tasks/segmentation."""
