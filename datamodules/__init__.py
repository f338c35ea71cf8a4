"""The data of the tasks: a folder each, found by `registry`."""
