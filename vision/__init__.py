"""Images, geometry and predictions in NumPy, Pillow and OpenCV, without torch."""
