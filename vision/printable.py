"""Text from files, such as file and class names, for the terminal."""

import re

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line and direction marks, and the bytes of names that are not text."""


def printable(text: str, lines: bool = False) -> str:
    r"""A text without the power to control the terminal that it is printed on.

    Args:
        text: May hold any characters.
        lines: Whether line feeds are part of the text, and stay.

    Returns:
        The text with control characters escaped, such as `\x1b`.
    """
    return _CONTROL.sub(lambda found: _escape(found[0], lines), text)


def _escape(character: str, lines: bool) -> str:
    if lines and character == "\n":
        return character
    return character.encode("unicode_escape").decode()
