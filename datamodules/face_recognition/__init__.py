"""datamodules/face_recognition."""
