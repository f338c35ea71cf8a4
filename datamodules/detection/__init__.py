"""Data for object detection."""
