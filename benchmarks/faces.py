"""Speed of face detection, embedding and search: python benchmarks/faces.py.

Frames of 640 x 480 with one face, for faces of 60 pixels and more; embeddings compared with dlib's
own; a search among a million embeddings compared with NumPy's matrix product in single precision.
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import dlib
import numpy as np
from skimage.data import astronaut
from turns import in_turn

from visus.apps.inference.backends import installed_runtimes
from visus.apps.inference.benchmark import export_for_benchmark
from visus.apps.inference.loading import load_model
from visus.tasks.face_recognition.pipeline import FacePipeline, as_face_pipeline
from visus.tasks.face_recognition.similarity_search import SimilarityIndex
from visus.tasks.registry import find_weights
from visus.vision.images import Pixels
from visus.vision.resize import to_planes

FACES, EMBEDDING = 1_000_000, 128


def main() -> None:
    """Print medians over rounds that run all calls in turn, and ratios."""
    photograph: Pixels = astronaut()  # type: ignore[no-untyped-call]
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[:, 80:560] = cv2.resize(photograph, (480, 480), interpolation=cv2.INTER_AREA)
    with tempfile.TemporaryDirectory() as folder:
        models = _models(Path(folder))
    for model in models.values():
        model.set_option("min_face", 80)
    print("640 x 480, one face, from frame to embedding (with its mirror image)")
    for name, seconds in in_turn({n: _predict(m, frame) for n, m in models.items()}).items():
        print(f"  {name:<12} {seconds * 1000:7.1f} ms  {1 / seconds:6.1f} frames/s")
    aligned, _ = models["torch"].align(frame)
    _compare_embedding(models, aligned[0])
    _compare_search()


def _models(folder: Path) -> dict[str, FacePipeline]:
    model = as_face_pipeline(load_model("faces"))
    exported = export_for_benchmark(model, folder / "edge")
    models = {name: load_model(str(exported), name) for name in installed_runtimes()}
    return {"torch": model, **{name: as_face_pipeline(each) for name, each in models.items()}}


def _predict(model: FacePipeline, frame: Pixels) -> Callable[[], object]:
    return lambda: model.predict_image(frame)


def _compare_embedding(models: Mapping[str, FacePipeline], face: Pixels) -> None:
    """One face and its mirror image, which dlib embeds one after the other."""
    entry = find_weights("faces")
    assert entry is not None
    reference = dlib.face_recognition_model_v1(str(entry.path()))
    both = (face, np.ascontiguousarray(face[:, ::-1]))
    batch = to_planes(face)[None]
    calls: dict[str, Callable[[], object]] = {
        "dlib": lambda: [reference.compute_face_descriptor(each) for each in both]
    }
    for name, model in models.items():
        calls[name] = lambda model=model: model.run(batch)  # type: ignore[misc]
    times = in_turn(calls)
    print("embedding of an aligned face and its mirror image")
    for name, seconds in times.items():
        print(f"  {name:<12} {seconds * 1000:7.1f} ms  {times['dlib'] / seconds:5.1f} times dlib")


def _compare_search() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((FACES, EMBEDDING), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index = SimilarityIndex(rows)
    times = in_turn(
        {"NumPy": lambda: (rows @ rows[7]).argmax(), "visus": lambda: index.nearest(rows[7])}
    )
    print(f"nearest of {FACES:,} embeddings of length {EMBEDDING}")
    for name, seconds in times.items():
        print(f"  {name:<12} {seconds * 1000:7.1f} ms  {seconds / times['NumPy']:.2f}")


if __name__ == "__main__":
    main()
