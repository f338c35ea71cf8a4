"""The standard streams within a command."""

import io
import sys

from visus.apps.standard_streams import guarded_streams


def test_a_library_that_closes_a_stream_closes_nothing(monkeypatch):
    """As absl's log handler does with the standard error that it was imported with."""
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.StringIO())
    with guarded_streams():
        kept = sys.stdout, sys.stderr
    for stream in kept:
        stream.close()
    print("still there")
    print("and here", file=sys.stderr)
    assert sys.stdout.getvalue() == "still there\n" and sys.stderr.getvalue() == "and here\n"
