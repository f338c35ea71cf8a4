"""Data of segmentation: images with masks of class ids."""
