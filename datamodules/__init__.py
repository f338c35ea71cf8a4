"""The data of the tasks, one folder each, listed by `registry`."""

import os

# albumentations asks PyPI for a newer version of itself whenever it is imported.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
