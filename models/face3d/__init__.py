"""Linear 3D face models: shapes, files, a camera and a renderer."""
