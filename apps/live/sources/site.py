"""The sources of several cameras: devices and streams that may be away, and videos."""

from visus.apps.addresses import is_stream
from visus.apps.live.sources import open_source
from visus.apps.live.sources.base import Source
from visus.apps.live.sources.played import PlayedSource
from visus.apps.live.sources.streams import open_camera, open_stream
from visus.vision.errors import VisusError

_OPENING_SECONDS = 10.0
"""How long the frame rate of a camera that is being opened is waited for."""


def open_beside_others(source: str, name: str) -> Source:
    """Open one of several cameras, without waiting for it.

    Args:
        source: A camera's number, the address of a stream, or a video, which is played at its own
            speed.
        name: The camera's name.

    Raises:
        VisusError: If it is another source, or a file that cannot be opened.
    """
    if source.isdecimal():
        return open_camera(int(source), name)
    if is_stream(source):
        return open_stream(source, name)
    opened = None if source == "-" else open_source(source)
    if opened is None or opened.still:
        raise VisusError(
            f"source {source!r}: several sources are cameras, streams and videos; "
            "give images or raw frames alone"
        )
    return PlayedSource(opened)


def wait_until_opened(source: Source) -> None:
    """Wait until a camera was opened, or could not be, so that its frame rate is known."""
    attempted = getattr(source, "attempted", None)
    if attempted is not None:
        attempted.wait(_OPENING_SECONDS)
