"""Addresses of network cameras, and texts without the passwords in them."""

import re

SCHEMES = ("rtsp", "rtsps", "http", "https")
"""Schemes of streams."""

_CREDENTIALS = re.compile(
    r"(?<![\w+.-])(?:([a-z][\w+.-]+(?:://?|//))[^\s'\"]*@|[^\s'\"/:@]{2,}:[^\s'\"]*@)", re.I
)
"""All up to the last @ of a word that is an address or has a colon: any character may occur."""

_QUERY = re.compile(r"(?<![\w+.-])([a-z][\w+.-]+:/{1,2}[^\s'\"?#]*)[?#][^\s'\"]*", re.I)


def is_stream(source: str) -> bool:
    """Whether a source on the command line is a network address."""
    scheme, separator, _ = source.partition("://")
    return bool(separator) and scheme.lower() in SCHEMES


def without_secrets(address: str) -> str:
    """An address without user, password, query and fragment."""
    scheme, separator, rest = address.partition("://")
    place = rest.rpartition("@")[2]
    return scheme + separator + re.split("[?#]", place, maxsplit=1)[0]


def hide_secrets(text: str) -> str:
    """A text without the passwords of the addresses in it, misspelt ones included.

    Args:
        text: May quote any word that a user typed.
    """
    return _QUERY.sub(r"\1", _CREDENTIALS.sub(r"\1", text))
