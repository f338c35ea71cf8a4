"""The Python interface: models that take images of any kind, and results that can be shown."""
