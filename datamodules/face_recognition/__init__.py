"""Data of face recognition: a folder of images for each person."""
