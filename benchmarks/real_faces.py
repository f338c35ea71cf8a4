"""How well faces in space lie on real images, how steady they are, and how long a mesh takes.

python benchmarks/real_faces.py MODEL CLIP FOLDER PAGE.jpg

CLIP is a video of one face, FOLDER holds a folder of images for each person; of 300 people an
image each is taken, and the page shows the worst four of these and eight others.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from turns import in_turn

from visus.apps.drawing import draw_prediction
from visus.apps.inference.backends import runtime_names
from visus.apps.inference.benchmark import export_for_benchmark
from visus.apps.inference.loading import load_model
from visus.apps.live.sources import open_source
from visus.models.face3d.face_model import five_points
from visus.tasks.face3d.mesh_files import write_mesh
from visus.tasks.face3d.pipeline import Face3DPipeline
from visus.tasks.face3d.prediction import Face3DPrediction
from visus.vision.drawing.grid import grid
from visus.vision.images import Pixels, list_images, read_image
from visus.vision.model import Model
from visus.vision.output_files import write_image

PEOPLE = 300


def main() -> None:
    """Print the figures, and write the page."""
    name, clip, folder, page = sys.argv[1:]
    model = load_model(name)
    assert isinstance(model, Face3DPipeline)
    _measure_clip(model, clip)
    _measure_images(model, Path(folder), Path(page))
    _measure_meshes(model, read_image(list_images(Path(folder))[0]))


def _predict(model: Model, image: Pixels) -> Face3DPrediction:
    prediction = model.predict(image)
    assert isinstance(prediction, Face3DPrediction)
    return prediction


def _distances(prediction: Face3DPrediction) -> list[float]:
    """Of the five points of each shape from the face finder's, as shares of the eyes' distance."""
    found = []
    for i, face in enumerate(prediction.shaped):
        true = prediction.faces.landmarks[face]
        apart = np.linalg.norm(five_points(prediction.landmarks68(i)) - true, axis=1).mean()
        found.append(float(apart / np.linalg.norm(true[1] - true[0])))
    return found


def _measure_clip(model: Model, clip: str) -> None:
    poses, distances, frames = [], [], 0
    for frame in open_source(clip).frames():
        frames += 1
        prediction = _predict(model, frame.image)
        if len(prediction):
            poses.append(list(prediction.pose(0).values()))
            distances += _distances(prediction)[:1]
    # What is left of a pose beside the mean of the frames around it is no movement of the head.
    jitter = np.abs(_without_movement(np.array(poses)))
    print(f"{clip}: a face in {len(poses)} of {frames} frames")
    print(f"  five points from the finder's: {np.mean(distances):.3f} of the eyes' distance")
    axes = zip(("yaw", "pitch", "roll"), jitter.mean(0), strict=True)
    told = ", ".join(f"{axis} {value:.2f}" for axis, value in axes)
    print(f"  pose beside its mean over 5 frames, mean in degrees: {told}")


def _without_movement(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    means = np.stack([poses[i : len(poses) - 4 + i] for i in range(5)]).mean(0)
    apart: NDArray[np.float64] = poses[2:-2] - means
    return apart


def _measure_images(model: Model, folder: Path, page: Path) -> None:
    rng = np.random.default_rng(0)
    by_person: dict[Path, list[Path]] = {}
    for path in list_images(folder):
        by_person.setdefault(path.parent, []).append(path)
    people = rng.permutation(sorted(by_person))[:PEOPLE]
    results = []
    for person in people:
        image = read_image(by_person[person][int(rng.integers(len(by_person[person])))])
        prediction = _predict(model, image)
        # Others may stand behind: the largest face is the one that is meant.
        sides = prediction.faces.sides[prediction.shaped]
        if len(prediction):
            results.append((_distances(prediction)[int(sides.argmax())], image, prediction))
    results.sort(key=lambda result: -result[0])
    print(f"{folder}: a shape in {len(results)} of {len(people)} images")
    levels = np.percentile([distance for distance, _, _ in results], [50, 95])
    mean = np.mean([distance for distance, _, _ in results])
    print(
        f"  five points from the finder's, of the eyes' distance: mean {mean:.3f}, median "
        f"{levels[0]:.3f}, 95 % below {levels[1]:.3f}"
    )
    others = rng.choice(np.arange(4, len(results)), 8, replace=False)
    shown = [*range(4), *(int(i) for i in others)]
    images = [draw_prediction(results[i][1], results[i][2]) for i in shown]
    captions = [f"{'worst, ' if i < 4 else ''}{results[i][0]:.3f}" for i in shown]
    write_image(page, grid(images, captions, 4, 250))


def _measure_meshes(model: Face3DPipeline, image: Pixels) -> None:
    """From an image of one face to a textured GLB, and the share of finding the face."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exported = export_for_benchmark(model, folder / "edge")
        models: dict[str, Model] = {"torch": model}
        models |= {each: load_model(str(exported), each) for each in runtime_names()}
        crop = np.zeros((1, 3, *model.metadata.image_size), np.uint8)

        def to_mesh(each: Model) -> None:
            write_mesh(folder / "face.glb", image, _predict(each, image), 0)

        calls = {f"{key}, image to GLB": (lambda m=m: to_mesh(m)) for key, m in models.items()}
        calls |= {f"{key}, network alone": (lambda m=m: m.run(crop)) for key, m in models.items()}
        for what, seconds in in_turn(calls).items():
            print(f"  {what}: {seconds * 1000:.1f} ms")


if __name__ == "__main__":
    main()
