"""Sinks of frames: a window, videos, images."""
