"""Faces in images: detection, alignment, crops, and pairs for verification."""

FACE = "face"
"""The label of every face where regions of an image are selected by labels."""
