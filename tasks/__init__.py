"""The tasks, one folder each, listed by `registry`."""
