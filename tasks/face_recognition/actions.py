"""The actions of `visus faces`, one function each, from parsed arguments to an exit code.

`enroll` has a file of its own.
"""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from visus.tasks.commands import Services
from visus.tasks.face_recognition.camera import MATCHES, refuse_no_source, verify_camera
from visus.tasks.face_recognition.enrolment import enroll
from visus.tasks.face_recognition.gallery import Gallery
from visus.tasks.face_recognition.open_gallery import existing_gallery, open_gallery
from visus.tasks.face_recognition.pipeline import FacePipeline, as_face_pipeline
from visus.tasks.options import Session
from visus.vision.errors import VisusError
from visus.vision.images import ImageError, read_image
from visus.vision.output_files import refuse_overwriting
from visus.vision.printable import printable
from visus.vision.progress import track
from visus.vision.wording import compared, counted


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
    refuse_no_source(args)
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
    model = as_face_pipeline(services.load_model(args.model, args.runtime))
    gallery = existing_gallery(args.gallery, model)
    # Names are not needed, and the present threshold of the gallery may be a wrong one.
    calibration, summary = calibrate_threshold(model, args.pairs, args.images, args.far)
    gallery = gallery or open_gallery(args.gallery, model, create=True)
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


def _open(
    args: Namespace, services: Services, create: bool = False
) -> tuple[FacePipeline, Gallery]:
    model = as_face_pipeline(services.load_model(args.model, args.runtime))
    # Its calibration is the gallery's.
    model.gallery = open_gallery(args.gallery, model, create)
    return model, model.gallery


def _print_match(model: FacePipeline, similarity: float) -> int:
    """Print whether two faces match; returns the exit code."""
    match = similarity >= model.calibration.threshold
    answer = "same person" if match else "different people"
    print(f"{answer}: similarity {_against_threshold(model, similarity)}; {model.calibration}")
    return 0 if match else 1


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
