"""3D faces: shape, expression and pose of each face of an image."""
