"""Whether a person's photographs give the same 3D face: python benchmarks/face_identity.py FOLDER.

FOLDER holds a folder of images for each person. The shapes without expression of four photographs
of each person are compared: their variance within people, that between people, and how often two
photographs of one person are closer than two of different people. A network that always gives the
mean face has no variance, and is right half of the time.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from visus.apps.inference.loading import load_model
from visus.models.face3d.face_models import open_face_model
from visus.tasks.face3d.pipeline import Face3DPipeline
from visus.tasks.face3d.prediction import Face3DPrediction
from visus.vision.image_files import list_images
from visus.vision.images import read_image
from visus.vision.progress import track

PHOTOGRAPHS = 4
DRAWS = 500


def main() -> None:
    """Print the figures, each with its bootstrap interval over the people."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="face3d")
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--face-model", default="ict-facekit")
    given = parser.parse_args()
    model = load_model(given.model)
    assert isinstance(model, Face3DPipeline)
    shapes = _shapes(model, _choose(given.folder, given.people), given.face_model)
    people, count = shapes.shape[:2]
    print(f"{given.folder}: {people} people, {count} photographs each")
    rng = np.random.default_rng(0)
    draws = (shapes[rng.integers(people, size=people)] for _ in range(DRAWS))
    within, between = _variances(shapes)
    print(f"  standard deviation within people {within**0.5:.2f} mm, between {between**0.5:.2f} mm")
    low, high = np.percentile([np.divide(*_variances(draw)) for draw in draws], [2.5, 97.5])
    print(f"  variance within people / between: {within / between:.2f} ({low:.2f} to {high:.2f})")
    print(f"  one person's photographs are closer than two people's: {_closer(shapes):.3f}")


def _choose(folder: Path, people: int) -> list[list[Path]]:
    """`PHOTOGRAPHS` images of each of some people who have so many."""
    rng = np.random.default_rng(0)
    folders = [list_images(each) for each in sorted(folder.iterdir()) if each.is_dir()]
    several = [paths for paths in folders if len(paths) >= PHOTOGRAPHS]
    chosen = rng.permutation(len(several))[:people]
    return [list(rng.permutation(np.array(several[i]))[:PHOTOGRAPHS]) for i in chosen]


def _shapes(
    model: Face3DPipeline, people: list[list[Path]], face_model: str
) -> NDArray[np.float64]:
    """Shapes without expression, (people, photographs, components).

    Distances between them are those of their vertices, root mean square, in mm.
    """
    coefficients = []
    for paths in track(people, "Reconstructing"):
        found = [each for path in paths if (each := _identity(model, Path(path))) is not None]
        # A person without a shape in one photograph is left out.
        if len(found) == len(paths):
            coefficients.append(found)
    face = open_face_model(face_model, None).face
    basis = face.identity.reshape(len(face.identity), -1)[: len(coefficients[0][0])]
    products = basis.astype(np.float64) @ basis.T * (face.millimetres**2 / len(face.neutral))
    return np.asarray(np.array(coefficients, np.float64) @ np.linalg.cholesky(products))


def _identity(model: Face3DPipeline, path: Path) -> NDArray[np.float32] | None:
    """The identity coefficients of the largest face."""
    prediction = model.predict(read_image(path))
    assert isinstance(prediction, Face3DPrediction)
    if not len(prediction):
        return None
    largest = int(prediction.faces.sides[prediction.shaped].argmax())
    return np.asarray(prediction.coefficients[largest][: -len(prediction.expressions)], np.float32)


def _variances(shapes: NDArray[np.float64]) -> tuple[float, float]:
    """Variance within and between people, by a one-way analysis of variance."""
    means = shapes.mean(1, keepdims=True)
    within = ((shapes - means) ** 2).sum(-1).mean() * PHOTOGRAPHS / (PHOTOGRAPHS - 1)
    spread = ((means - means.mean(0)) ** 2).sum(-1).mean() * len(shapes) / (len(shapes) - 1)
    return float(within), float(spread - within / PHOTOGRAPHS)


def _closer(shapes: NDArray[np.float64]) -> float:
    """Probability that a pair of one person is closer than a pair of two people."""
    flat = shapes.reshape(-1, shapes.shape[-1])
    products = flat @ flat.T
    squares = np.diag(products)
    distances = squares[:, None] + squares - 2 * products
    first, second = np.triu_indices(len(flat), 1)
    same = first // PHOTOGRAPHS == second // PHOTOGRAPHS
    ranks = rankdata(-distances[first, second])
    positive = int(same.sum())
    excess = ranks[same].sum() - positive * (positive + 1) / 2
    return float(excess / (positive * (len(same) - positive)))


if __name__ == "__main__":
    main()
