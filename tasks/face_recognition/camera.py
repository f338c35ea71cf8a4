"""Faces from a camera: enrol a person in front of it, and verify one over several frames."""

import time
from argparse import Namespace
from collections import deque

import numpy as np
from numpy.typing import NDArray

from visus.tasks.commands import FrameSource
from visus.tasks.face_recognition.gallery import Gallery
from visus.tasks.face_recognition.pipeline import FacePipeline
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.wording import counted

MATCHES = 5
"""Faces to enrol, and consecutive frames that must match."""

_INTERVAL, _ENROLMENT_TIMEOUT = 0.5, 60.0
"""Least seconds between two faces to enrol, and most seconds for all."""


def embed_camera_faces(
    model: FacePipeline, source: FrameSource, place: str
) -> tuple[list[tuple[NDArray[np.float32], Pixels]], list[str]]:
    """Embed faces of a person alone in front of a camera, at intervals.

    Args:
        model: Detects and embeds the faces.
        source: The camera or a video.
        place: Its name in messages.

    Returns:
        The embedding and the aligned image of each face; and why there are fewer than `MATCHES`.

    Raises:
        VisusError: If the source is images, which have no time.
    """
    if source.still:
        raise VisusError(f"--camera {place}: is images; give them without --camera")
    print(f"waiting for {MATCHES} faces: look into the camera, turn your head a little")
    started = last = -_INTERVAL
    faces: list[tuple[NDArray[np.float32], Pixels]] = []
    reason = "it showed no image"
    for frame in source.frames():
        if frame.note:
            reason = frame.note
            break
        now = frame.time if frame.time is not None else 0.0
        if started < 0:
            started = now
        if now - started > _ENROLMENT_TIMEOUT:
            reason = f"{_ENROLMENT_TIMEOUT:g} s have passed; {reason}"
            break
        if now - last < _INTERVAL:
            continue
        try:
            faces.append(model.embed_single_face(frame.image, frame.source))
        except VisusError as error:
            reason = str(error).removeprefix(f"{frame.source}: ")
            continue
        last = now
        if len(faces) == MATCHES:
            return faces, []
        reason = "no further face was seen"
    few = f"--camera {place}: {counted(len(faces), 'face')} of {MATCHES}; at last: {reason}"
    return faces, [few, *source.problems]


def verify_camera(
    model: FacePipeline, gallery: Gallery, name: str, source: FrameSource, timeout: float
) -> tuple[float, bool]:
    """Compare the largest face of each frame with a person, until several in a row match.

    Args:
        model: Detects and embeds the faces.
        gallery: Holds the person.
        name: The person.
        source: The camera or a video.
        timeout: Seconds to wait for a match.

    Returns:
        The lowest similarity of the matching frames and true, or the highest of all and false.

    Raises:
        VisusError: If the person is not in the gallery.
    """
    threshold = model.calibration.threshold
    # An unknown name is an error before the first frame.
    gallery.similarity(name, np.zeros(model.embedding_size, np.float32))
    recent: deque[float] = deque(maxlen=MATCHES)
    best, deadline = -1.0, time.monotonic() + timeout
    for frame in source.frames():
        if time.monotonic() > deadline:
            break
        # A repeated frame does not show that the person is present.
        embedding = None if frame.note else _largest_face(model, frame.image)
        if embedding is None:
            recent.clear()
            continue
        similarity = gallery.similarity(name, embedding)
        best = max(best, similarity)
        recent.append(similarity)
        if len(recent) == MATCHES and min(recent) >= threshold:
            return min(recent), True
    return best, False


def _largest_face(model: FacePipeline, image: Pixels) -> NDArray[np.float32] | None:
    prediction = model.predict_image(image)
    return prediction.embedding(prediction.largest()) if len(prediction) else None


def refuse_no_source(args: Namespace) -> None:
    """Refuse arguments with neither images nor a camera, or with both.

    Raises:
        VisusError: In either case.
    """
    if (args.camera is None) == (not args.images):
        raise VisusError("give images, or --camera with a camera's number or a video")
