"""Whether images may be mirrored without changing their meaning."""

import re
from collections.abc import Sequence

_SIDED = re.compile(
    r"(?<![a-z])(left|right|(counter|anti)?-?clockwise)(?![a-z])|(?<![a-z])c?cw(?![a-z])",
    re.IGNORECASE,
)


def is_sided(class_names: Sequence[str]) -> bool:
    """Whether mirroring would exchange classes: a name contains a side or a sense of rotation."""
    return any(_SIDED.search(name) for name in class_names)
