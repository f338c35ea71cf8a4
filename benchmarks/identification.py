"""Who is it, of 600 known and 500 unknown people: python benchmarks/identification.py PEOPLE_DIR.

Of the people with several images the first 600 by the hash of their names are enrolled with one
image and sought with another; of the others, 500 must be told to be unknown.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visus.datamodules.face_recognition.files import list_people
from visus.tasks.face_recognition.loading_tmp import open_face_model
from visus.tasks.face_recognition.pipeline import FaceModel
from visus.vision.images import read_image
from visus.vision.progress import track

KNOWN, UNKNOWN = 600, 500


def main() -> None:
    """Print rank-1 identification, and both rates at the model's threshold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("people", type=Path, help="a folder a person")
    parser.add_argument("--model", default="faces")
    args = parser.parse_args()
    model = open_face_model(args.model)
    by_person: dict[str, list[Path]] = {}
    ordered = sorted(list_people(args.people), key=lambda image: (image.content, image.path))
    for image in ordered:
        by_person.setdefault(image.person, []).append(image.path)
    several = [paths for paths in by_person.values() if len(paths) > 1]
    known = several[:KNOWN]
    rest = [p for p in by_person.values() if p not in known]
    unknown = rest[:UNKNOWN]
    enrolled = _embed(model, [paths[0] for paths in known])
    sought = _embed(model, [paths[1] for paths in known])
    strangers = _embed(model, [paths[0] for paths in unknown])
    similarities = sought @ enrolled.T
    right = similarities.argmax(1) == np.arange(len(known))
    threshold = model.calibration.threshold
    accepted = right & (similarities.max(1) >= threshold)
    taken = (strangers @ enrolled.T).max(1) >= threshold
    print(f"{len(known)} known, {len(unknown)} unknown; {model.calibration} (of single pairs)")
    print(f"rank-1 identification {right.mean():.4f}")
    print(f"identified and above the threshold {accepted.mean():.4f}")
    print(f"unknown people taken for somebody {taken.mean():.4f}")


def _embed(model: FaceModel, paths: list[Path]) -> NDArray[np.float32]:
    """The embedding nearest to each image's centre; zeros, like nobody, where there is none."""
    vectors = np.zeros((len(paths), int(model.metadata.options["embedding"])), np.float32)
    for vector, path in zip(vectors, track(paths, "Embedding", len(paths)), strict=True):
        found = model.predict_pixels(read_image(path))
        if len(found) and found.embeddings is not None:
            vector[:] = np.nan_to_num(found.embeddings[found.nearest_to_centre()])
    return vectors


if __name__ == "__main__":
    main()
