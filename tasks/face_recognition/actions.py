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
from visus.tasks.face_recognition.gallery import Gallery, UnstorableNameError, normal_name
from visus.tasks.face_recognition.open_gallery import open_gallery
from visus.tasks.face_recognition.pipeline import FacePipeline, as_face_pipeline
from visus.tasks.options import Session
from visus.vision.errors import VisusError
from visus.vision.image_files import list_images
from visus.vision.images import ImageError, Pixels, read_image
from visus.vision.output_files import refuse_overwriting
from visus.vision.printable import printable
from visus.vision.progress import track
from visus.vision.wording import compared, counted

_Faces = list[tuple[NDArray[np.float32], Pixels]]
"""The embedding and the aligned image of each face."""


def enroll(args: Namespace, services: Services) -> int:
    """Store the faces of people; images that cannot be used are named, the others count."""
    if not args.consent.strip():
        raise VisusError("--consent: state how and when the person agreed: 'in writing, 3 May'")
    if args.people is not None:
        return _enroll_folders(args, services)
    _refuse_no_source(args)
    if not (args.name or "").strip():
        raise VisusError("--name: give the person's name, or --from a folder of people")
    model = as_face_pipeline(services.load_model(args.model, args.runtime))
    # A new one is created once there is a face.
    gallery = open_gallery(args.gallery, model) if Path(args.gallery).exists() else None
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
    model, gallery = _open(args, services, create=True)
    enrolled = {normal_name(person.name) for person in gallery.people()}
    count = 0
    problems = [
        f"{path}: " + ("holds no images" if path.is_dir() else "is in no person's folder")
        for path in paths
        if path.name not in people
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
            _store(args, model, gallery, name, faces)
        except UnstorableNameError as error:
            problems.append(str(error))
            continue
        print(f"{printable(name)}: {counted(len(faces), 'face')} enrolled", flush=True)
        enrolled.add(normal_name(name))
        count += 1
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


def identify(args: Namespace, services: Services) -> int:
    """Name the faces of images, a video or a camera."""
    threshold = _threshold(args)
    source = services.open_source(args.source)
    if args.jsonl not in {None, "-"}:
        refuse_overwriting(Path(args.jsonl), args.gallery)
    model, gallery = _open(args, services)
    model.threshold = threshold
    gallery.load(model.embedding_size)
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
    threshold = _threshold(args)
    model = as_face_pipeline(services.load_model(args.model, args.runtime))
    gallery = open_gallery(args.gallery, model) if args.gallery else None
    model.gallery, model.threshold = gallery, threshold
    if args.camera is not None:
        assert gallery is not None
        source = services.open_source(args.camera)
        similarity, matches = verify_camera(model, gallery, args.name, source, args.timeout)
        if not matches:
            print(
                f"no match in {MATCHES} consecutive frames; best similarity "
                f"{_against_threshold(model, similarity)}; {model.calibration}"
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
    count = open_gallery(args.gallery, None).forget(args.name)
    print(f"{printable(args.name)}: forgotten, {counted(count, 'face')} removed")
    return 0


def list_people(args: Namespace, services: Services) -> int:
    """Print the people of a gallery."""
    gallery = open_gallery(args.gallery, None)
    people = gallery.people()
    for each in people:
        consent = f"{each.enrolled}, consent: {each.consent}"
        print(printable(f"{each.name}: {counted(each.faces, 'face')}, {consent}"))
    threshold = gallery.calibration or "the model's threshold"
    print(f"{counted(len(people), 'person', 'people')}; {threshold}")
    return 0


def reembed(args: Namespace, services: Services) -> int:
    """Replace all embeddings by those of another model, computed from the stored crops."""
    from visus.tasks.face_recognition.sqlite_gallery import SqliteGallery
    from visus.vision.resize import resize_to_input, to_planes

    path = Path(args.gallery)
    if not path.is_file():
        raise VisusError(f"--gallery {args.gallery!r}: there is no such file")
    model = as_face_pipeline(services.load_model(args.model, args.runtime))
    gallery = SqliteGallery(path, None)
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
    count = counted(len(embeddings), "face")
    print(f"{count} embedded again; calibrate again where a threshold was set")
    return 0


def calibrate(args: Namespace, services: Services) -> int:
    """Set the threshold of a gallery from pairs of known faces."""
    from visus.tasks.face_recognition.calibration import calibrate_threshold

    if not 0 < args.far < 1:
        raise VisusError(f"--far {args.far} must lie between 0 and 1")
    model, gallery = _open(args, services, create=True)
    # Names are not needed, and its present threshold may be a wrong one.
    model.gallery = None
    calibration, summary = calibrate_threshold(model, args.pairs, args.images, args.far)
    gallery.calibrate(calibration)
    print(f"{args.gallery}: {calibration}\n{summary}")
    return 0


def _threshold(args: Namespace) -> float | None:
    """The value of `--threshold`.

    Raises:
        VisusError: If it is not a similarity.
    """
    threshold: float | None = args.threshold
    if threshold is not None and not -1 <= threshold <= 1:
        raise VisusError(f"--threshold {threshold:g} must lie between -1 and 1")
    return threshold


def _against_threshold(model: FacePipeline, similarity: float) -> str:
    """A similarity as text that compares with the threshold as the number does."""
    return compared(similarity, model.calibration.threshold, 3)[0]


def _refuse_no_source(args: Namespace) -> None:
    if (args.camera is None) == (not args.images):
        raise VisusError("give images, or --camera with a camera's number or a video")


def _open(
    args: Namespace, services: Services, create: bool = False
) -> tuple[FacePipeline, Gallery]:
    model = as_face_pipeline(services.load_model(args.model, args.runtime))
    # Its calibration is the gallery's.
    model.gallery = open_gallery(args.gallery, model, create)
    return model, model.gallery


def _warn_of_similar(
    model: FacePipeline, gallery: Gallery, name: str, embeddings: NDArray[np.float32]
) -> None:
    """Print a note where another enrolled person matches."""
    for embedding in embeddings:
        nearest = gallery.nearest(embedding)
        if (
            nearest
            and nearest[0] != normal_name(name)
            and nearest[1] >= model.calibration.threshold
        ):
            name = printable(nearest[0])
            print(f"note: matches {name}, who is enrolled (similarity {nearest[1]:.3f})")
            return


def _print_match(model: FacePipeline, similarity: float) -> int:
    """Print whether two faces match; returns the exit code."""
    match = similarity >= model.calibration.threshold
    answer = "same person" if match else "different people"
    print(f"{answer}: similarity {_against_threshold(model, similarity)}; {model.calibration}")
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
