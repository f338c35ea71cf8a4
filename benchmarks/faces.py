"""How fast faces are found, embedded and searched: python benchmarks/faces.py.

Frames of 640 x 480 that show one face, faces of 60 pixels and more; embeddings against dlib's own;
a search among a million embeddings against NumPy's product in single precision.
"""

import tempfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import cv2
import dlib
import numpy as np
from skimage.data import astronaut
from turns import in_turn

from visus.apps.export.bundle import export_bundle
from visus.apps.inference.backends import runtime_names
from visus.apps.inference.loading import TorchModel
from visus.tasks.face_recognition.loading_tmp import open_face_model
from visus.tasks.face_recognition.pipeline import FaceModel
from visus.tasks.face_recognition.similarity_search import SimilarityIndex
from visus.tasks.registry import find_weights
from visus.vision.images import Pixels
from visus.vision.resize import to_planes

PEOPLE, NUMBERS = 1_000_000, 128


def main() -> None:
    """Print medians of rounds in turn, and ratios."""
    photograph: Pixels = astronaut()  # type: ignore[no-untyped-call]
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[:, 80:560] = cv2.resize(photograph, (480, 480), interpolation=cv2.INTER_AREA)
    with tempfile.TemporaryDirectory() as folder:
        models = _models(Path(folder))
    for model in models.values():
        model.set_option("min_face", 80)
    print("640 x 480, one face, from frame to embedding (with its mirror image)")
    for name, seconds in in_turn({n: _over(m, frame) for n, m in models.items()}).items():
        print(f"  {name:<12} {seconds * 1000:7.1f} ms  {1 / seconds:6.1f} frames a second")
    _, aligned = models["torch"].find(frame)
    _compare_embedding(models, aligned[0])
    _compare_search()


def _models(folder: Path) -> dict[str, FaceModel]:
    model = open_face_model("faces")
    assert isinstance(model.network, TorchModel)
    export_bundle(model.network.task, folder)
    installed = [name for name in runtime_names() if find_spec(name)]
    return {"torch": model, **{name: open_face_model(str(folder), name) for name in installed}}


def _over(model: FaceModel, frame: Pixels) -> Callable[[], object]:
    return lambda: model.predict_pixels(frame)


def _compare_embedding(models: Mapping[str, FaceModel], face: Pixels) -> None:
    """One face and its mirror image, in dlib one after the other."""
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
        print(
            f"  {name:<12} {seconds * 1000:7.1f} ms  {times['dlib'] / seconds:5.1f} times as fast"
        )


def _compare_search() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((PEOPLE, NUMBERS), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index = SimilarityIndex(rows)
    times = in_turn(
        {"NumPy": lambda: (rows @ rows[7]).argmax(), "visus": lambda: index.nearest(rows[7])}
    )
    print(f"the most similar of {PEOPLE:,} embeddings of {NUMBERS} numbers")
    for name, seconds in times.items():
        print(f"  {name:<12} {seconds * 1000:7.1f} ms  {seconds / times['NumPy']:.2f}")


if __name__ == "__main__":
    main()
