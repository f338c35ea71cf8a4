"""3D faces in real images: landmark error, stability in a video, and the time of a mesh.

python benchmarks/real_faces.py MODEL CLIP FOLDER PAGE.jpg

CLIP is a video of one face, FOLDER holds a folder of images for each person; one image of
each of 300 people is measured, and the page shows the worst four of these and eight others.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from turns import in_turn

from visus.apps.drawing import draw_prediction
from visus.apps.inference.backends import installed_runtimes
from visus.apps.inference.benchmark import export_for_benchmark
from visus.apps.inference.loading import load_model
from visus.apps.live.sources import open_source
from visus.models.face3d.face_model import five_points
from visus.tasks.face3d.mesh_files import write_mesh
from visus.tasks.face3d.pipeline import Face3DPipeline
from visus.tasks.face3d.prediction import Face3DPrediction
from visus.vision.drawing.grid import grid
from visus.vision.image_files import list_images
from visus.vision.images import Pixels, read_image
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
    """Mean distance of five landmarks from the detector's, in distances of the eyes, by face."""
    distances = []
    for i, face in enumerate(prediction.shaped):
        detected = prediction.faces.landmarks[face]
        error = np.linalg.norm(five_points(prediction.landmarks68(i)) - detected, axis=1).mean()
        distances.append(float(error / np.linalg.norm(detected[1] - detected[0])))
    return distances


def _measure_clip(model: Model, clip: str) -> None:
    poses, distances, frames = [], [], 0
    for frame in open_source(clip).frames():
        frames += 1
        prediction = _predict(model, frame.image)
        if len(prediction):
            poses.append(list(prediction.pose(0).values()))
            distances += _distances(prediction)[:1]
    # The difference from the mean of the adjacent frames is not a movement of the head.
    jitter = np.abs(_without_movement(np.array(poses)))
    print(f"{clip}: a face in {len(poses)} of {frames} frames")
    print(f"  five landmarks from the detector's: {np.mean(distances):.3f} of the eyes' distance")
    axes = zip(("yaw", "pitch", "roll"), jitter.mean(0), strict=True)
    values = ", ".join(f"{axis} {value:.2f}" for axis, value in axes)
    print(f"  mean difference of the pose from its mean over 5 frames, in degrees: {values}")


def _without_movement(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    means = np.stack([poses[i : len(poses) - 4 + i] for i in range(5)]).mean(0)
    differences: NDArray[np.float64] = poses[2:-2] - means
    return differences


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
        # The largest face is the person's; others may stand in the background.
        sides = prediction.faces.sides[prediction.shaped]
        if len(prediction):
            results.append((_distances(prediction)[int(sides.argmax())], image, prediction))
    results.sort(key=lambda result: -result[0])
    print(f"{folder}: a shape in {len(results)} of {len(people)} images")
    levels = np.percentile([distance for distance, _, _ in results], [50, 95])
    mean = np.mean([distance for distance, _, _ in results])
    print(
        f"  five landmarks from the detector's, of the eyes' distance: mean {mean:.3f}, median "
        f"{levels[0]:.3f}, 95 % below {levels[1]:.3f}"
    )
    others = rng.choice(np.arange(4, len(results)), 8, replace=False)
    shown = [*range(4), *(int(i) for i in others)]
    images = [draw_prediction(results[i][1], results[i][2]) for i in shown]
    captions = [f"{'worst, ' if i < 4 else ''}{results[i][0]:.3f}" for i in shown]
    write_image(page, grid(images, captions, 4, 250))


def _measure_meshes(model: Face3DPipeline, image: Pixels) -> None:
    """Time from an image of one face to a textured GLB, and of the network alone."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        exported = export_for_benchmark(model, folder / "edge")
        models: dict[str, Model] = {"torch": model}
        models |= {each: load_model(str(exported), each) for each in installed_runtimes()}
        crop = np.zeros((1, 3, *model.metadata.image_size), np.uint8)

        def to_mesh(each: Model) -> None:
            write_mesh(folder / "face.glb", image, _predict(each, image), 0)

        calls = {f"{key}, image to GLB": (lambda m=m: to_mesh(m)) for key, m in models.items()}
        calls |= {f"{key}, network alone": (lambda m=m: m.run(crop)) for key, m in models.items()}
        for name, seconds in in_turn(calls).items():
            print(f"  {name}: {seconds * 1000:.1f} ms")


if __name__ == "__main__":
    main()
