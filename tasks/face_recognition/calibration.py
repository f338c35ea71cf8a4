"""Find the similarity that a false-accept rate needs, from images of known people."""

from pathlib import Path

import numpy as np

from visus.tasks.face_recognition.gallery import Calibration
from visus.tasks.face_recognition.metrics import VerificationMetrics, threshold_at
from visus.tasks.face_recognition.pipeline import FaceModel
from visus.vision.errors import VisusError
from visus.vision.faces.pairs import read_pairs
from visus.vision.images import read_image
from visus.vision.progress import track


def calibrate_threshold(
    model: FaceModel, pairs_file: Path, images: Path, far: float
) -> tuple[Calibration, str]:
    """Embed the images that a file of pairs names, and compare all of different people.

    Args:
        model: Whose threshold is sought.
        pairs_file: As LFW's `pairs.txt`.
        images: A folder a person.
        far: The share of false accepts that is allowed, 0 to 1.

    Returns:
        The threshold, and a line on what it was measured on.

    Raises:
        VisusError: If there are too few images for that rate.
    """
    pairs = read_pairs(pairs_file, images)
    names = sorted({name for pair in pairs for name in (pair.first, pair.second)})
    scores = VerificationMetrics()
    for name in track(names, "Embedding", len(names)):
        prediction = model.predict_pixels(read_image(name))
        embedding = None
        if len(prediction):
            nearest = prediction.nearest_to_centre()
            if not prediction.problems[nearest] and prediction.embeddings is not None:
                embedding = prediction.embeddings[nearest]
        scores.add(name, Path(name).parent.name, embedding)
    strangers = scores.strangers()
    if far * len(strangers) < 10:
        raise VisusError(
            f"--far {far:g}: {len(strangers)} pairs of different people are too few to measure it; "
            f"give {int(10 / far)} pairs' worth of images, or a larger rate"
        )
    threshold = threshold_at(strangers, far)
    same = [pair for pair in pairs if pair.same]
    by_name = {name: embedding for name, _, embedding in scores.records}
    accepted = [
        a is not None and b is not None and float(a @ b) >= threshold
        for a, b in ((by_name[pair.first], by_name[pair.second]) for pair in same)
    ]
    missed = sum(embedding is None for _, _, embedding in scores.records)
    told = (
        f"from {len(strangers)} pairs of different people; of {len(same)} pairs of one person "
        f"{np.mean(accepted):.1%} are accepted; {missed} of {len(names)} images showed no usable "
        "face"
    )
    return Calibration(threshold, far), told
