"""datamodules/classification."""
