"""Webhooks: events as POST requests, sent again until they arrive, without holding the loop."""

import json
import queue
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

from visus.apps.addresses import without_secrets
from visus.vision.errors import VisusError
from visus.vision.output_files import open_private
from visus.vision.printable import printable
from visus.vision.wording import counted

_QUEUED = 1000
"""Most events that wait; further ones are written to the file at once."""

_TIMEOUT_SECONDS = 10.0
_FIRST_DELAY = 1.0
_LONGEST_DELAY = 60.0
"""Seconds between two attempts, which double from the first delay to the longest."""

_ATTEMPTS = 10
"""Attempts for one event: nearly six minutes with their delays."""

_CLOSING_SECONDS = 5.0
"""How long the end of the program waits for events to be delivered."""

_RETRIED = {408, 425, 429, *range(500, 600)}
"""Status codes of servers that may accept the event later."""


class Webhook:
    """Sends events to an address, in a thread of its own.

    Args:
        address: Of the server, `http://` or `https://`.
        undelivered: The file of JSON Lines for events that could not be delivered.
        private: Whether only the user may read that file, as events hold embeddings.

    Attributes:
        problems: One message if there were such events, after `close`.

    Raises:
        VisusError: If the address is malformed.
    """

    def __init__(self, address: str, undelivered: Path, private: bool = False) -> None:
        check_address(address)
        self.problems: list[str] = []
        self._address = address
        # The path of a chat's webhook is its password.
        self._shown = f"webhook {without_secrets(address).partition('://')[2].partition('/')[0]}"
        self._undelivered = undelivered
        self._private = private
        self._kept = 0
        self._unwritable = ""
        self._keeping = threading.Lock()
        self._queue: queue.Queue[bytes] = queue.Queue(_QUEUED)
        self._current: bytes | None = None
        self._closing = threading.Event()
        self._arrived = threading.Event()
        self._ended = False
        self._failing = False
        self._opener = urllib.request.build_opener(_NoRedirects)
        self._thread = threading.Thread(target=self._deliver_all, name="webhook", daemon=True)
        self._thread.start()

    def send(self, event: Mapping[str, Any]) -> None:
        """Queue an event; never waits."""
        body = json.dumps(event, ensure_ascii=False).encode()
        try:
            self._queue.put_nowait(body)
            self._arrived.set()
        except queue.Full:
            self._keep(body)

    def close(self) -> None:
        """Deliver what can be delivered within seconds, and keep the rest in the file."""
        self._closing.set()
        self._arrived.set()
        self._thread.join(_CLOSING_SECONDS)
        with self._keeping:
            # The thread takes nothing more.
            self._ended = True
        # An attempt that is still running no longer decides about its event.
        if (current := self._take_current()) is not None:
            self._keep(current)
        with suppress(queue.Empty):
            while True:
                self._keep(self._queue.get_nowait())
        if self._kept:
            where = self._unwritable or f"they are in {self._undelivered}"
            count = counted(self._kept, "event")
            self.problems.append(f"{self._shown}: {count} could not be delivered; {where}")

    def _deliver_all(self) -> None:
        while True:
            self._arrived.clear()
            body = self._take_next()
            if body is None:
                if self._closing.is_set():
                    return
                self._arrived.wait()
                continue
            delivered = self._deliver(body)
            if self._take_current() is not None and not delivered:
                self._keep(body)

    def _take_next(self) -> bytes | None:
        """The next event, which is the current one from then on; None if there is none."""
        with self._keeping:
            if not self._ended:
                with suppress(queue.Empty):
                    self._current = self._queue.get_nowait()
                    return self._current
        return None

    def _take_current(self) -> bytes | None:
        """The event that is being delivered, for one of the two threads alone."""
        with self._keeping:
            current, self._current = self._current, None
        return current

    def _deliver(self, body: bytes) -> bool:
        """Send an event until it is accepted; returns whether it was."""
        delay = _FIRST_DELAY
        for attempt in range(_ATTEMPTS):
            problem, may_succeed = self._post(body)
            if not problem:
                if self._failing:
                    self._print("delivers again")
                self._failing = False
                return True
            if not self._failing:
                self._print(f"{problem}; {'trying again' if may_succeed else 'not sent again'}")
            self._failing = True
            # At the end there is one attempt for each event.
            last = attempt == _ATTEMPTS - 1
            if not may_succeed or last or self._closing.wait(delay):
                return False
            delay = min(2 * delay, _LONGEST_DELAY)
        return False

    def _post(self, body: bytes) -> tuple[str, bool]:
        """Send an event once; returns the problem, and whether a later attempt may succeed."""
        request = urllib.request.Request(
            self._address, body, {"Content-Type": "application/json", "User-Agent": "visus"}
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS):
                return "", True
        except urllib.error.HTTPError as error:
            error.close()
            return f"answered {error.code} {error.reason}", error.code in _RETRIED
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            return f"no answer ({getattr(reason, 'strerror', None) or reason})", True

    def _keep(self, body: bytes) -> None:
        with self._keeping:
            self._kept += 1
            try:
                self._undelivered.parent.mkdir(parents=True, exist_ok=True)
                opener = open_private if self._private else None
                with open(self._undelivered, "ab", opener=opener) as file:
                    file.write(body + b"\n")
            except OSError as error:
                self._unwritable = (
                    f"{self._undelivered}: cannot be written ({error.strerror}), they are lost"
                )

    def _print(self, message: str) -> None:
        print(printable(f"visus: {self._shown}: {message}"), file=sys.stderr)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET, without the event."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> None:
        """Follow no redirect."""


def check_address(address: str) -> None:
    """Refuse an address that cannot be a webhook.

    Raises:
        VisusError: If the scheme is another, there is no host, or it has a user.
    """
    # Its path may be its password, also where the address is malformed.
    scheme, separator, rest = without_secrets(address).rpartition("://")
    shown = f"{scheme}{separator}{rest.partition('/')[0]}"
    try:
        parts = urllib.parse.urlsplit(address)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        usable = False
    if not address.isascii():
        raise VisusError(f"--webhook {shown}: encode the address in ASCII, as %C3%A4 for \u00e4")
    if not usable or any(map(str.isspace, address)):
        raise VisusError(f"--webhook {shown}: write an address such as https://host/path")
    if "@" in parts.netloc:
        raise VisusError(
            f"--webhook {shown}: an address with user and password is not supported; "
            "use a token in the path or the query"
        )
