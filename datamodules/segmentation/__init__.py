"""datamodules/segmentation."""
