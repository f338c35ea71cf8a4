"""Faces in images: detection, alignment, crops, pairs to verify.."""
