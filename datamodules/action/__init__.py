"""Data for action recognition."""
