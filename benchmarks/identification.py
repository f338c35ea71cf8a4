"""Identification of 600 known and 500 unknown people: python benchmarks/identification.py PEOPLE.

The first 600 people with several images, by the hash of their names, are enrolled with one image
and identified by another; 500 others must be rejected as unknown.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visus.apps.inference.loading import load_model
from visus.datamodules.face_recognition.files import list_people
from visus.tasks.face_recognition.pipeline import FacePipeline, as_face_pipeline
from visus.vision.images import read_image
from visus.vision.progress import track

KNOWN, UNKNOWN = 600, 500


def main() -> None:
    """Print rank-1 identification, and both rates at the model's threshold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("people", type=Path, help="a folder with a folder for each person")
    parser.add_argument("--model", default="faces")
    args = parser.parse_args()
    model = as_face_pipeline(load_model(args.model))
    by_person: dict[str, list[Path]] = {}
    ordered = sorted(list_people(args.people)[0], key=lambda image: (image.content, image.path))
    for image in ordered:
        by_person.setdefault(image.person, []).append(image.path)
    several = [paths for paths in by_person.values() if len(paths) > 1]
    known = several[:KNOWN]
    rest = [paths for paths in by_person.values() if paths not in known]
    unknown = rest[:UNKNOWN]
    enrolled = _embed(model, [paths[0] for paths in known])
    queries = _embed(model, [paths[1] for paths in known])
    impostors = _embed(model, [paths[0] for paths in unknown])
    similarities = queries @ enrolled.T
    right = similarities.argmax(1) == np.arange(len(known))
    threshold = model.calibration.threshold
    accepted = right & (similarities.max(1) >= threshold)
    falsely_accepted = (impostors @ enrolled.T).max(1) >= threshold
    print(f"{len(known)} known, {len(unknown)} unknown; {model.calibration} (of single pairs)")
    print(f"rank-1 identification {right.mean():.4f}")
    print(f"identified and above the threshold {accepted.mean():.4f}")
    print(f"unknown people falsely accepted {falsely_accepted.mean():.4f}")


def _embed(model: FacePipeline, paths: list[Path]) -> NDArray[np.float32]:
    """The embedding of the face nearest to each image's centre; zeros where there is none."""
    vectors = np.zeros((len(paths), model.embedding_size), np.float32)
    for vector, path in zip(vectors, track(paths, "Embedding", len(paths)), strict=True):
        prediction = model.predict_image(read_image(path))
        if len(prediction):
            embedding = prediction.embedding(prediction.nearest_to_centre())
            if embedding is not None:
                vector[:] = embedding
    return vectors


if __name__ == "__main__":
    main()
