"""visus faces enroll: store the faces of one person, or of a folder of people."""

import io
from argparse import Namespace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visus.tasks.commands import Services
from visus.tasks.face_recognition.camera import embed_camera_faces, refuse_no_source
from visus.tasks.face_recognition.gallery import (
    Gallery,
    UnstorableNameError,
    normal_name,
    person_name,
)
from visus.tasks.face_recognition.open_gallery import existing_gallery, open_gallery
from visus.tasks.face_recognition.pipeline import FacePipeline, as_face_pipeline
from visus.vision.errors import VisusError
from visus.vision.image_files import EXTENSIONS, list_images
from visus.vision.images import Pixels, read_image
from visus.vision.printable import printable
from visus.vision.progress import track
from visus.vision.wording import counted

_Faces = list[tuple[NDArray[np.float32], Pixels]]
"""The embedding and the aligned image of each face."""


def enroll(args: Namespace, services: Services) -> int:
    """Store the faces of people; images that cannot be used are named, the others count."""
    if not args.consent.strip():
        raise VisusError("--consent: state how and when the person agreed: 'in writing, 3 May'")
    if args.people is not None:
        return _enroll_folders(args, services)
    refuse_no_source(args)
    if not (args.name or "").strip():
        raise VisusError("--name: give the person's name, or --from a folder of people")
    person_name(args.name)
    model = as_face_pipeline(services.load_model(args.model, args.runtime))
    gallery = existing_gallery(args.gallery, model)
    if args.camera is not None:
        source = services.open_source(args.camera)
        faces, problems = embed_camera_faces(model, source, args.camera)
    else:
        faces, problems = _embed_images(model, args.images)
    if not faces:
        raise VisusError("; ".join([*problems, f"nothing was enrolled for {args.name!r}"]))
    gallery = model.gallery = gallery or open_gallery(args.gallery, model, create=True)
    _store(args, model, gallery, args.name, faces)
    print(f"{printable(args.name)}: {counted(len(faces), 'face')} enrolled; {model.calibration}")
    return services.report_problems(len(faces), problems)


def _enroll_folders(args: Namespace, services: Services) -> int:
    """Store the faces of many people; one who cannot be enrolled is named, the others count."""
    if args.images or args.camera is not None or args.name is not None:
        raise VisusError("--from names the people and holds their images; give nothing beside it")
    if not args.people.is_dir():
        raise VisusError(f"--from {args.people}: there is no such folder")
    paths = sorted(path for path in args.people.iterdir() if not path.name.startswith("."))
    people = {p.name: images for p in paths if p.is_dir() and (images := list_images(p))}
    if not people:
        raise VisusError(
            f"--from {args.people}: no folder in it holds images; make one for each person, which "
            "has the person's name, of images of this person alone"
        )
    model = as_face_pipeline(services.load_model(args.model, args.runtime))
    gallery = existing_gallery(args.gallery, model)
    enrolled = {normal_name(person.name) for person in gallery.people()} if gallery else set()
    count = 0
    # Other files, such as lists of pairs, may lie beside the folders.
    problems = [
        f"{path}: " + ("holds no images" if path.is_dir() else "is in no person's folder")
        for path in paths
        if path.name not in people and (path.is_dir() or path.suffix.lower() in EXTENSIONS)
    ]
    for name, images in track(people.items(), "Enrolling", len(people)):
        if normal_name(name) in enrolled and not args.add:
            problems.append(f"{name!r} is enrolled already; pass --add to add faces")
            continue
        faces, unusable = _embed_images(model, images)
        problems += unusable
        if not faces:
            problems.append(f"nothing was enrolled for {name!r}")
            continue
        try:
            person_name(name)
            gallery = model.gallery = gallery or open_gallery(args.gallery, model, create=True)
            _store(args, model, gallery, name, faces)
        except UnstorableNameError as error:
            problems.append(str(error))
            continue
        print(f"{printable(name)}: {counted(len(faces), 'face')} enrolled", flush=True)
        enrolled.add(normal_name(name))
        count += 1
    model.gallery = gallery
    print(f"{counted(count, 'person', 'people')} enrolled; {model.calibration}")
    return services.report_problems(count, problems)


def _embed_images(model: FacePipeline, images: list[Path]) -> tuple[_Faces, list[str]]:
    """The face of each image, and a message for each image without a usable one."""
    faces, problems = [], []
    for path in images:
        try:
            faces.append(model.embed_single_face(read_image(path), str(path)))
        except VisusError as error:
            problems.append(str(error))
    return faces, problems


def _store(
    args: Namespace, model: FacePipeline, gallery: Gallery, name: str, faces: _Faces
) -> None:
    """Store the faces of a person."""
    embeddings = np.stack([embedding for embedding, _ in faces])
    _warn_of_similar(model, gallery, name, embeddings)
    crops = [_to_png(face) for _, face in faces] if args.keep_crops else []
    gallery.enrol(name, embeddings, args.consent, crops, args.add)


def _warn_of_similar(
    model: FacePipeline, gallery: Gallery, name: str, embeddings: NDArray[np.float32]
) -> None:
    """Print a note where another enrolled person matches."""
    for embedding in embeddings:
        nearest = gallery.nearest(embedding)
        if (
            nearest
            and normal_name(nearest[0]) != normal_name(name)
            and nearest[1] >= model.calibration.threshold
        ):
            name = printable(nearest[0])
            print(f"note: matches {name}, who is enrolled (similarity {nearest[1]:.3f})")
            return


def _to_png(face: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(face).save(file, "PNG")
    return file.getvalue()
