"""The actions of `visus faces`, one function each, from parsed arguments to an exit code."""

import io
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visus.tasks.commands import Services
from visus.tasks.face_recognition.camera import MATCHES, embed_camera_faces, verify_camera
from visus.tasks.face_recognition.gallery import Gallery
from visus.tasks.face_recognition.open_gallery import open_gallery
from visus.tasks.face_recognition.pipeline import FacePipeline, as_face_pipeline
from visus.tasks.options import Session
from visus.vision.errors import VisusError
from visus.vision.images import ImageError, Pixels, read_image
from visus.vision.printable import printable
from visus.vision.progress import track


def enroll(args: Namespace, services: Services) -> int:
    """Store the faces of one person; images that cannot be used are named, the others count."""
    _refuse_no_source(args)
    if not args.consent.strip():
        raise VisusError("--consent: state how and when the person agreed: 'in writing, 3 May'")
    if not args.name.strip():
        raise VisusError("--name: must not be empty")
    model, gallery = _open(args, services, create=True)
    faces: list[tuple[NDArray[np.float32], Pixels]] = []
    problems: list[str] = []
    if args.camera is not None:
        faces = list(embed_camera_faces(model, services.open_source(args.camera)))
    for path in args.images:
        try:
            faces.append(model.embed_single_face(read_image(path), str(path)))
        except VisusError as error:
            problems.append(str(error))
    if not faces:
        raise VisusError("; ".join([*problems, f"nothing was enrolled for {args.name!r}"]))
    embeddings = np.stack([embedding for embedding, _ in faces])
    _warn_of_similar(model, gallery, args.name, embeddings)
    crops = [_to_png(face) for _, face in faces] if args.keep_crops else []
    gallery.enrol(args.name, embeddings, args.consent, crops, args.add)
    print(f"{printable(args.name)}: {len(faces)} faces enrolled; {model.calibration}")
    return services.report_problems(len(faces), problems)


def identify(args: Namespace, services: Services) -> int:
    """Name the faces of images, a video or a camera."""
    source = services.open_source(args.source)
    model, gallery = _open(args, services)
    gallery.load(model.embedding_size)
    model.gallery = gallery
    if args.jsonl != "-":
        print(model.calibration)
    return services.predict(Session(model), source, args.draw, args.jsonl)


def verify(args: Namespace, services: Services) -> int:
    """Compare two images, or an image or a camera with a person; exit code 0 for a match."""
    _refuse_no_source(args)
    expected = 1 if args.name else 2
    if args.camera is None and len(args.images) != expected:
        raise VisusError(f"verify compares {expected} images here, not {len(args.images)}")
    if args.camera is not None and not args.name:
        raise VisusError("verify --camera needs --name: the person to compare with")
    if args.name and not args.gallery:
        raise VisusError("verify --name needs --gallery")
    model = as_face_pipeline(services.load_model(args.model, args.runtime))
    gallery = open_gallery(args.gallery, model) if args.gallery else None
    model.gallery = gallery
    if args.camera is not None:
        assert gallery is not None
        source = services.open_source(args.camera)
        similarity, matches = verify_camera(model, gallery, args.name, source, args.timeout)
        if not matches:
            print(
                f"no match in {MATCHES} consecutive frames; best similarity {similarity:.3f}; "
                f"{model.calibration}"
            )
            return 1
        return _print_match(model, similarity)
    embeddings = [model.embed_single_face(read_image(path), str(path))[0] for path in args.images]
    if args.name:
        assert gallery is not None
        return _print_match(model, gallery.similarity(args.name, embeddings[0]))
    return _print_match(model, float(embeddings[0] @ embeddings[1]))


def forget(args: Namespace, services: Services) -> int:
    """Delete a person and all their faces."""
    _, gallery = _open(args, services)
    count = gallery.forget(args.name)
    print(f"{printable(args.name)}: forgotten, {count} faces removed")
    return 0


def list_people(args: Namespace, services: Services) -> int:
    """Print the people of a gallery."""
    model, gallery = _open(args, services)
    model.gallery = gallery
    people = gallery.people()
    for person in people:
        consent = f"{person.enrolled}, consent: {person.consent}"
        print(printable(f"{person.name}: {person.faces} faces, {consent}"))
    print(f"{len(people)} people; {model.calibration}")
    return 0


def reembed(args: Namespace, services: Services) -> int:
    """Replace all embeddings by those of another model, computed from the stored crops."""
    from visus.tasks.face_recognition.sqlite_gallery import SqliteGallery
    from visus.vision.resize import resize_to_input, to_planes

    path = Path(args.gallery)
    if not path.is_file():
        raise VisusError(f"--gallery {args.gallery!r}: there is no such file")
    model = as_face_pipeline(services.load_model(args.model, args.runtime))
    gallery = SqliteGallery(path, model.fingerprint, renew=True)
    crops = gallery.crops()
    without = sorted({name for _, name, crop in crops if crop is None})
    if without:
        raise VisusError(
            f"{path}: no crops are stored of {', '.join(without)}; enrol them again with the new "
            "model"
        )
    embeddings = {}
    for face, name, crop in track(crops, "Embedding", len(crops)):
        try:
            image = read_image(crop or b"")
        except ImageError as error:
            raise VisusError(f"{path}: damaged, a stored face of {name!r}: {error}") from None
        image = resize_to_input(image, model.metadata.image_size, "stretch")[0]
        embeddings[face] = model.run(to_planes(image)[None])[0][0]
    gallery.replace_embeddings(model.fingerprint, embeddings)
    print(f"{len(embeddings)} faces embedded again; calibrate again where a threshold was set")
    return 0


def calibrate(args: Namespace, services: Services) -> int:
    """Set the threshold of a gallery from pairs of known faces."""
    from visus.tasks.face_recognition.calibration import calibrate_threshold

    if not 0 < args.far < 1:
        raise VisusError(f"--far {args.far} must lie between 0 and 1")
    model, gallery = _open(args, services, create=True)
    calibration, summary = calibrate_threshold(model, args.pairs, args.images, args.far)
    gallery.calibrate(calibration)
    print(f"{args.gallery}: {calibration}\n{summary}")
    return 0


def _refuse_no_source(args: Namespace) -> None:
    if (args.camera is None) == (not args.images):
        raise VisusError("give images, or --camera with a camera's number or a video")


def _open(
    args: Namespace, services: Services, create: bool = False
) -> tuple[FacePipeline, Gallery]:
    model = as_face_pipeline(services.load_model(args.model, args.runtime))
    return model, open_gallery(args.gallery, model, create)


def _warn_of_similar(
    model: FacePipeline, gallery: Gallery, name: str, embeddings: NDArray[np.float32]
) -> None:
    """Print a note where another enrolled person matches."""
    for embedding in embeddings:
        nearest = gallery.nearest(embedding)
        if nearest and nearest[0] != name and nearest[1] >= model.calibration.threshold:
            name = printable(nearest[0])
            print(f"note: matches {name}, who is enrolled (similarity {nearest[1]:.3f})")
            return


def _print_match(model: FacePipeline, similarity: float) -> int:
    """Print whether two faces match; returns the exit code."""
    match = similarity >= model.calibration.threshold
    answer = "same person" if match else "different people"
    print(f"{answer}: similarity {similarity:.3f}; {model.calibration}")
    return 0 if match else 1


def _to_png(face: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(face).save(file, "PNG")
    return file.getvalue()


ACTIONS: dict[str, Callable[[Namespace, Services], int]] = {
    "calibrate": calibrate,
    "enroll": enroll,
    "forget": forget,
    "identify": identify,
    "list": list_people,
    "reembed": reembed,
    "verify": verify,
}
"""By the word after `visus faces`."""
