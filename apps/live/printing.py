"""The lines that a loop prints: one for each frame, and one for each finished file."""

import sys
from collections.abc import Sequence

from visus.apps.live.loop import LoopResult
from visus.tasks.options import Session
from visus.vision.frames import Frame
from visus.vision.prediction import Prediction
from visus.vision.printable import printable


def print_summary(frame: Frame, prediction: Prediction) -> None:
    """Print one line for a frame."""
    place = "" if frame.index is None else f" frame {frame.index}"
    print(printable(f"{frame.source}{place}: {prediction.summary()}"), flush=True)


def print_closing(result: LoopResult, still: bool) -> None:
    """Print what was written and how fast it went, on standard error.

    Args:
        result: Of the loop.
        still: Whether the frames are unrelated images.
    """
    unit = "images" if still else "frames"
    rate = result.frames / max(result.seconds, 1e-9)
    speed = f"{rate:,.1f} {unit}/s" if rate < 10 else f"{rate:,.0f} {unit}/s"
    lines = [f"wrote {text}, {speed}" for text in result.written]
    if not lines and result.frames > 1:
        lines = [f"predicted {result.frames} {unit}, {speed}"]
    for line in lines:
        print(printable(f"visus: {line}"), file=sys.stderr)


def print_closing_lines(name: str, sessions: Sequence[Session]) -> None:
    """Print what the sessions of a camera report after the last frame, on standard error."""
    for session in sessions:
        for closing in session.closing:
            for line in closing():
                print(printable(f"visus: {name}: {line}"), file=sys.stderr)
