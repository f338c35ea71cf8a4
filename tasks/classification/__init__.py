"""Classification: one or several labels for an image."""
