"""The hub of pretrained weights: whether it can be reached, which its client finds out slowly."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies

from huggingface_hub import constants

_TIMEOUT = 3.0
"""Seconds in which a connection to the hub must be made."""


@contextmanager
def answering_hub() -> Iterator[None]:
    """Within the block the hub's client fails at once, or reads its cache, where none answers.

    By itself it repeats each request for half a minute. `HF_HUB_OFFLINE` spares the attempt.
    """
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _answers()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _answers() -> bool:
    """Whether the hub, or the proxy before it, accepts a connection."""
    address = urlsplit(constants.ENDPOINT)
    proxy = getproxies().get(address.scheme)
    if proxy:
        address = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    port = address.port or (443 if address.scheme == "https" else 80)
    connected = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection((address.hostname or "", port), _TIMEOUT).close()
        except OSError:
            return
        connected.set()

    # In a thread, as resolving a name has no timeout.
    thread = threading.Thread(target=connect, name="hub", daemon=True)
    thread.start()
    thread.join(_TIMEOUT)
    return connected.is_set()
