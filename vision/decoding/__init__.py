"""The steps of decoding image files, for `visus.vision.images`."""
