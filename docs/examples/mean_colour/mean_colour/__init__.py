"""A toy task for visus: the mean colour of an image."""
