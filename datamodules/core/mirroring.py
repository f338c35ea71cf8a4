"""Whether images may be mirrored without changing their meaning."""

import re
from collections.abc import Sequence

_SIDED = re.compile(
    r"(?<![a-z])(left|right|(counter|anti)?-?clockwise)(?![a-z])|(?<![a-z])c?cw(?![a-z])",
    re.IGNORECASE,
)


_MIRRORED_LETTERS = {"b", "d", "p", "q"}


def is_sided(class_names: Sequence[str]) -> bool:
    """Whether mirroring would exchange classes.

    It would where a name contains a side or a sense of rotation, such as `left arrow` and
    `turnRight`, and among the letters of the alphabet.
    """
    letters = {name.lower() for name in class_names} >= _MIRRORED_LETTERS
    # Camel case becomes words.
    spaced = (re.sub("(?<=[a-z])(?=[A-Z])", " ", name) for name in class_names)
    return letters or any(_SIDED.search(name) for name in spaced)
