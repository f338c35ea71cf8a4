"""Data of 3D faces: rendered heads, and photographs of faces."""
