"""Faces from a camera: enrol a person in front of it, and verify one over several frames."""

import time
from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from visus.tasks.commands import FrameSource
from visus.tasks.face_recognition.gallery import Gallery
from visus.tasks.face_recognition.pipeline import FacePipeline
from visus.vision.errors import VisusError
from visus.vision.images import Pixels

MATCHES = 5
"""Faces to enrol, and consecutive frames that must match."""

_INTERVAL, _ENROLMENT_TIMEOUT = 0.5, 60.0
"""Least seconds between two faces to enrol, and most seconds for all."""


def embed_camera_faces(
    model: FacePipeline, source: FrameSource
) -> Iterator[tuple[NDArray[np.float32], Pixels]]:
    """Embed faces of a person alone in front of a camera, at intervals.

    Args:
        model: Detects and embeds the faces.
        source: The camera or a video.

    Yields:
        The embedding and the aligned image of each face.
    """
    print(f"waiting for {MATCHES} faces: look into the camera, turn your head a little")
    started = last = -_INTERVAL
    count = 0
    for frame in source.frames():
        if frame.note:
            break
        now = frame.time if frame.time is not None else 0.0
        if started < 0:
            started = now
        if now - started > _ENROLMENT_TIMEOUT:
            break
        if now - last < _INTERVAL:
            continue
        try:
            face = model.embed_single_face(frame.image, frame.source)
        except VisusError:
            continue
        last = now
        count += 1
        yield face
        if count == MATCHES:
            return


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
