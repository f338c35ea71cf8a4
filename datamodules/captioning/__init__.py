"""datamodules/captioning."""
