"""3D faces: a linear face model, a camera, a renderer, and the network that finds their numbers."""
