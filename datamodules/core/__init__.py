"""Code that the data modules of all tasks share."""
