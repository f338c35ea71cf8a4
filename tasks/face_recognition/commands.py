"""What `visus faces` does, an action a function; each takes the parsed arguments."""

import io
import time
from argparse import Namespace
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from visus.apps.commands.infer import report_problems

from visus.apps.cli import CommandError
from visus.apps.live.sources import open_source
from visus.tasks.face_recognition.gallery import Gallery
from visus.tasks.face_recognition.loading_tmp import open_face_model, open_gallery
from visus.tasks.face_recognition.pipeline import FaceModel
from visus.vision.errors import VisusError
from visus.vision.images import Pixels, read_image
from visus.vision.progress import track

_CAMERA_FACES = 5
"""Faces to enrol from a camera, and frames in a row that must match."""

_CAMERA_PAUSE, _CAMERA_PATIENCE = 0.5, 60.0

Embedded = tuple[NDArray[np.float32], Pixels]


def enroll(args: Namespace) -> int:
    """Keep the faces of one person; an image that cannot be used is named, the others count."""
    if not args.consent.strip():
        raise CommandError("--consent: say how and when the person agreed, as 'in writing, 3 May'")
    if not args.name.strip():
        raise CommandError("--name: must not be empty")
    model, gallery = _open(args, create=True)
    found: list[Embedded] = []
    problems: list[str] = []
    if args.camera is not None:
        found = list(_faces_from_camera(model, args.camera))
    for path in args.images:
        try:
            found.append(model.only_face(read_image(path), str(path)))
        except VisusError as error:
            problems.append(str(error))
    if not found:
        raise VisusError("; ".join([*problems, f"nothing was enrolled for {args.name!r}"]))
    embeddings = np.stack([embedding for embedding, _ in found])
    _warn_of_double(model, gallery, args.name, embeddings)
    crops = [_to_png(face) for _, face in found] if args.keep_crops else []
    gallery.enrol(args.name, embeddings, args.consent, crops, args.add)
    print(f"{args.name}: {len(found)} faces enrolled; {model.calibration}")
    return report_problems(len(found), problems)


def identify(args: Namespace) -> int:
    """Name the faces of images or a video."""
    from visus.apps.live.loop import JsonLinesWriter, print_summary, run_loop
    from visus.apps.live.sinks.base import Sink
    from visus.apps.live.sinks.video import ImageSink

    source = open_source(args.source)
    model, gallery = _open(args)
    model.gallery = gallery
    if args.jsonl != "-":
        print(model.calibration)
    sinks: list[Sink] = [ImageSink(args.draw, source.rate)] if args.draw else []
    jsonl = JsonLinesWriter(args.jsonl) if args.jsonl else None

    watchers = [] if args.jsonl == "-" else [print_summary]
    result = run_loop(model, source, sinks, jsonl, watchers)
    return report_problems(result.frames, result.problems)


def verify(args: Namespace) -> int:
    """Compare two images, or one or a camera with a person; exit code 0 for a match, else 1."""
    expected = 1 if args.name else 2
    if args.camera is None and len(args.images) != expected:
        raise CommandError(f"verify compares {expected} images here, not {len(args.images)}")
    if args.camera is not None and not args.name:
        raise CommandError("verify --camera needs --name: whom shall the camera see?")
    if args.name and not args.gallery:
        raise CommandError("verify --name needs --gallery")
    model = open_face_model(args.model, args.runtime)
    if args.gallery:
        model.gallery = open_gallery(args.gallery, model)
    if args.camera is not None:
        return _verify_camera(model, args)
    embeddings = [model.only_face(read_image(path), str(path))[0] for path in args.images]
    if args.name:
        assert model.gallery is not None
        similarity = model.gallery.similarity(args.name, embeddings[0])
    else:
        similarity = float(embeddings[0] @ embeddings[1])
    return _tell_match(model, similarity)


def forget(args: Namespace) -> int:
    """Remove every trace of a person."""
    _, gallery = _open(args)
    count = gallery.forget(args.name)
    print(f"{args.name}: forgotten, {count} faces removed")
    return 0


def list_people(args: Namespace) -> int:
    """Tell who is enrolled."""
    model, gallery = _open(args)
    model.gallery = gallery
    people = gallery.people()
    for person in people:
        print(f"{person.name}: {person.faces} faces, {person.enrolled}, consent: {person.consent}")
    print(f"{len(people)} people; {model.calibration}")
    return 0


def reembed(args: Namespace) -> int:
    """Replace all embeddings by those of another model, from the crops that were kept."""
    from visus.tasks.face_recognition.sqlite_gallery import SqliteGallery
    from visus.vision.resize import resize_to_input, to_planes

    path = Path(args.gallery)
    if not path.is_file():
        raise VisusError(f"--gallery {args.gallery!r}: there is no such file")
    model = open_face_model(args.model, args.runtime)
    gallery = SqliteGallery(path, model.fingerprint, renew=True)
    kept = gallery.crops()
    bare = sorted({name for _, name, crop in kept if crop is None})
    if bare:
        raise VisusError(
            f"{path}: no crops were kept of {', '.join(bare)}; enrol them again with the new model"
        )
    renewed = {}
    for number, _, crop in track(kept, "Embedding", len(kept)):
        face = np.asarray(Image.open(io.BytesIO(crop or b"")).convert("RGB"))
        face = resize_to_input(face, model.metadata.image_size, "stretch")[0]
        renewed[number] = model.run(to_planes(face)[None])[0][0]
    gallery.replace_embeddings(model.fingerprint, renewed)
    print(f"{len(renewed)} faces embedded anew; calibrate again if you had calibrated")
    return 0


def calibrate(args: Namespace) -> int:
    """Set the gallery's threshold from pairs of faces that are known."""
    from visus.tasks.face_recognition.calibration import calibrate_threshold

    if not 0 < args.far < 1:
        raise CommandError(f"--far {args.far} must lie between 0 and 1")
    model, gallery = _open(args, create=True)
    calibration, told = calibrate_threshold(model, args.pairs, args.images, args.far)
    gallery.calibrate(calibration)
    print(f"{args.gallery}: {calibration}\n{told}")
    return 0


def _open(args: Namespace, create: bool = False) -> tuple[FaceModel, Gallery]:
    model = open_face_model(args.model, args.runtime)
    return model, open_gallery(args.gallery, model, create)


def _warn_of_double(
    model: FaceModel, gallery: Gallery, name: str, embeddings: NDArray[np.float32]
) -> None:
    for embedding in embeddings:
        nearest = gallery.nearest(embedding)
        if nearest and nearest[0] != name and nearest[1] >= model.calibration.threshold:
            print(f"note: looks like {nearest[0]}, who is enrolled (similarity {nearest[1]:.3f})")
            return


def _faces_from_camera(model: FaceModel, camera: str) -> Iterator[Embedded]:
    """Faces of whoever is alone before the camera, some time apart."""
    source = open_source(camera)
    print(f"looking for {_CAMERA_FACES} faces: look into the camera, turn your head a little")
    started = last = -_CAMERA_PAUSE
    seen = 0
    for frame in source.frames():
        if frame.note:
            break
        now = frame.time if frame.time is not None else 0.0
        if started < 0:
            started = now
        if now - started > _CAMERA_PATIENCE:
            break
        if now - last < _CAMERA_PAUSE:
            continue
        try:
            embedded = model.only_face(frame.image, frame.source)
        except VisusError:
            continue
        last = now
        seen += 1
        yield embedded
        if seen == _CAMERA_FACES:
            return


def _verify_camera(model: FaceModel, args: Namespace) -> int:
    """Wait for the person: the match must hold for several frames in a row."""
    assert model.gallery is not None
    source = open_source(args.camera)
    threshold = model.calibration.threshold
    # Before the first frame: a name that is not there is an error at once.
    numbers = int(model.metadata.options["embedding"])
    model.gallery.similarity(args.name, np.zeros(numbers, np.float32))
    held: deque[float] = deque(maxlen=_CAMERA_FACES)
    best, deadline = -1.0, time.monotonic() + args.timeout
    for frame in source.frames():
        if time.monotonic() > deadline:
            break
        # An image that stands still is nobody who is there now.
        if frame.note:
            held.clear()
            continue
        prediction = model.predict_pixels(frame.image)
        if not len(prediction) or prediction.embeddings is None:
            held.clear()
            continue
        largest = prediction.largest()
        if prediction.problems[largest]:
            held.clear()
            continue
        similarity = model.gallery.similarity(args.name, prediction.embeddings[largest])
        best = max(best, similarity)
        held.append(similarity)
        if len(held) == _CAMERA_FACES and min(held) >= threshold:
            return _tell_match(model, min(held))
    print(f"no match held for {_CAMERA_FACES} frames; best {best:.3f}; {model.calibration}")
    return 1


def _tell_match(model: FaceModel, similarity: float) -> int:
    match = similarity >= model.calibration.threshold
    word = "same person" if match else "different people"
    print(f"{word}: similarity {similarity:.3f}; {model.calibration}")
    return 0 if match else 1


def _to_png(face: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(face).save(file, "PNG")
    return file.getvalue()


ACTIONS: dict[str, Callable[[Namespace], int]] = {
    "calibrate": calibrate,
    "enroll": enroll,
    "forget": forget,
    "identify": identify,
    "list": list_people,
    "reembed": reembed,
    "verify": verify,
}
"""By the word after `visus faces`."""
