"""tasks/captioning."""
