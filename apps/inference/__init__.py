"""Models for inference: loaded by name, from exported files, and several models as one."""
