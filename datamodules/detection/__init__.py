"""datamodules/detection."""
