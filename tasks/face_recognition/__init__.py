"""tasks/face_recognition."""
