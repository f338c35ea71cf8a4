"""Data of image captioning."""
