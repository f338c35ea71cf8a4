"""The configurations that come with visus, found by name: `classification/custom`."""

import difflib
from pathlib import Path

from visus.vision.errors import VisusError

_HERE = Path(__file__).parent
DEMO = "classification/digits"
"""What `visus demo` trains."""


def config_names() -> list[str]:
    """Names of all configurations."""
    return sorted(
        str(p.relative_to(_HERE).with_suffix("").as_posix()) for p in _HERE.rglob("*.yaml")
    )


def find_config(name: str) -> Path:
    """The file of a configuration.

    Args:
        name: A file, or a name such as `classification/custom`.

    Raises:
        VisusError: If there is neither.
    """
    file = Path(name)
    if file.is_file():
        return file
    shipped = _HERE / f"{name}.yaml"
    if shipped.is_file():
        return shipped
    near = difflib.get_close_matches(name, config_names(), 3, 0.5) or config_names()
    raise VisusError(f"--config {name!r}: there is no such file or name; try {', '.join(near)}")
