"""Faces in images: detection, alignment, crops, and pairs for verification."""
