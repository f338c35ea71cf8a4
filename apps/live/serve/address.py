"""The address that a server listens on."""

import os
import socket
from dataclasses import dataclass

from visus.vision.errors import VisusError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Hosts that only this machine can reach."""

_BACKLOG = 512
_SEND_BUFFER = 2**18
"""Bytes in the system that a client has not received yet: a few frames, so that they are new."""


@dataclass(frozen=True)
class Address:
    """An address to listen on.

    Attributes:
        text: As given on the command line.
        host: A host name or IP address.
        port: 0 for any free port.
    """

    text: str
    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in LOOPBACK

    @property
    def shown_host(self) -> str:
        """The host as part of a URL."""
        if self.loopback:
            return "localhost"
        if self.host in ("0.0.0.0", "::"):
            # All addresses of this machine: its name resolves to one of them.
            return socket.gethostname()
        return f"[{self.host}]" if ":" in self.host else self.host

    def listen(self) -> socket.socket:
        """A socket that listens there.

        Raises:
            VisusError: If the address cannot be used.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            if os.name == "posix":
                # Elsewhere it lets two servers listen on one port.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            listener.bind((self.host, self.port))
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            raise VisusError(
                f"{self.text}: cannot listen there ({error.strerror}); "
                "check the host, or name another port"
            ) from None
        return listener


def parse_address(text: str) -> Address:
    """Parse `PORT` or `HOST:PORT`.

    Raises:
        VisusError: If it is neither.
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise VisusError(f"{text!r} is not an address to listen on; write a port, or HOST:PORT")
    return Address(text, host.strip("[]") or "127.0.0.1", int(port))
