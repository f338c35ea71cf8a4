"""Choose the threshold for a false-accept rate, from images of known people."""

from pathlib import Path

import numpy as np

from visus.tasks.face_recognition.gallery import Calibration
from visus.tasks.face_recognition.metrics import VerificationMetrics
from visus.tasks.face_recognition.pipeline import FacePipeline
from visus.vision.errors import VisusError
from visus.vision.faces.pairs import read_pairs
from visus.vision.images import read_image
from visus.vision.progress import track


def calibrate_threshold(
    model: FacePipeline, pairs_file: Path, images: Path, far: float
) -> tuple[Calibration, str]:
    """Embed the images of a file of pairs, and compare all images of different people.

    Args:
        model: The model to calibrate.
        pairs_file: In the format of LFW's `pairs.txt`.
        images: A folder with a folder for each person.
        far: The false-accept rate, 0 to 1.

    Returns:
        The threshold, and a line on the images that it was measured on.

    Raises:
        VisusError: If there are too few images for that rate.
    """
    pairs = read_pairs(pairs_file, images)
    names = sorted({name for pair in pairs for name in (pair.first, pair.second)})
    metrics = VerificationMetrics()
    for name in track(names, "Embedding", len(names)):
        prediction = model.predict_image(read_image(name))
        embedding = None
        if len(prediction):
            embedding = prediction.embedding(prediction.nearest_to_centre())
        metrics.add(name, Path(name).parent.name, embedding)
    impostors = metrics.impostor_pairs()
    if far * impostors < 10:
        raise VisusError(
            f"--far {far:g}: {impostors} pairs of different people are too few to measure it; "
            f"provide images for {int(10 / far)} such pairs, or a larger rate"
        )
    threshold = metrics.impostor_threshold(far)
    # Embeddings of equal images have a similarity of one, but for rounding.
    if threshold > 1 - 1e-5:
        raise VisusError(
            f"--far {far:g}: no threshold rejects so many pairs of different people, as too many "
            f"are the same image{_example_of_copies(metrics)}; keep each image in one folder"
        )
    same = [pair for pair in pairs if pair.same]
    by_name = {name: embedding for name, _, embedding in metrics.records}
    accepted = [
        a is not None and b is not None and float(a @ b) >= threshold
        for a, b in ((by_name[pair.first], by_name[pair.second]) for pair in same)
    ]
    missed = sum(embedding is None for _, _, embedding in metrics.records)
    summary = (
        f"from {impostors} pairs of different people; of {len(same)} pairs of one person "
        f"{np.mean(accepted):.1%} are accepted; {missed} of {len(names)} images show no usable face"
    )
    return Calibration(threshold, far), summary


def _example_of_copies(metrics: VerificationMetrics) -> str:
    """Two images of different people with the same embedding, for a message."""
    known: dict[bytes, tuple[str, str]] = {}
    for source, person, embedding in metrics.records:
        if embedding is not None:
            first, other = known.setdefault(embedding.tobytes(), (source, person))
            if other != person:
                return f", such as {first} and {source}"
    return ""
