"""tasks/face3d."""
