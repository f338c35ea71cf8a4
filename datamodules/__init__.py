"""The data of the tasks, one folder each, listed by `registry`."""
