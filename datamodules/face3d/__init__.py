"""datamodules/face3d."""
