"""HOTA, MOTA and IDF1 of the tracker on procedural scenes: python benchmarks/tracking.py.

Objects walk behind pillars, which hide them for up to a second, and behind each other; detections
are inaccurate, missing and false ones included. The figures are computed by TrackEval
(pip install trackeval), over all scenes together.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trackeval.metrics import CLEAR, HOTA, Identity

from visus.vision.boxes import box_iou
from visus.vision.moving_scenes import MovingScene, SimulatedDetections
from visus.vision.tracking import BoxTracker

THRESHOLD = 0.5
"""Score from which detections are reported."""

Update = Callable[[SimulatedDetections, float], NDArray[np.int64]]
"""From the detections of a frame and its time to the track number of each; 0 for none."""


@dataclass
class Sequence:
    """True and tracked boxes of one scene, frame by frame, as TrackEval takes them."""

    ids: list[NDArray[np.int64]] = field(default_factory=list)
    numbers: list[NDArray[np.int64]] = field(default_factory=list)
    ious: list[NDArray[np.float64]] = field(default_factory=list)

    def as_data(self) -> dict[str, Any]:
        """The input of TrackEval's metrics, whose ids have no gaps."""
        data: dict[str, Any] = {"similarity_scores": self.ious, "num_timesteps": len(self.ids)}
        for key, short, values in (("gt", "gt", self.ids), ("tracker", "tracker", self.numbers)):
            known = np.unique(np.concatenate(values))
            data[f"{key}_ids"] = [np.searchsorted(known, each) for each in values]
            data[f"num_{short}_ids"] = len(known)
            data[f"num_{short}_dets"] = sum(map(len, values))
        return data


def run_scene(seed: int, rate: float, seconds: float, update: Update) -> Sequence:
    """Track one scene.

    Args:
        seed: Of the scene and the errors of its detections.
        rate: Frames per second.
        seconds: Length of the scene.
        update: The tracker.
    """
    scene, rng, result = MovingScene(seed), np.random.default_rng(seed), Sequence()
    for frame in range(round(seconds * rate)):
        now = frame / rate
        detections = scene.detect(now, rng)
        numbers = update(detections, now)
        shown = (numbers > 0) & (detections.scores >= THRESHOLD)
        truth = scene.visible(now)
        result.ids.append(truth.ids)
        result.numbers.append(numbers[shown])
        result.ious.append(box_iou(truth.boxes, detections.boxes[shown]))
    return result


def measure(sequences: list[Sequence]) -> dict[str, float]:
    """HOTA, MOTA and IDF1 (0 to 1) and the number of identity switches over all sequences."""
    metrics = {
        "hota": HOTA(),
        "clear": CLEAR({"PRINT_CONFIG": False}),
        "identity": Identity({"PRINT_CONFIG": False}),
    }
    results = {
        name: metric.combine_sequences(
            {str(i): metric.eval_sequence(each.as_data()) for i, each in enumerate(sequences)}
        )
        for name, metric in metrics.items()
    }
    return {
        "HOTA": float(np.mean(results["hota"]["HOTA"])),
        "AssA": float(np.mean(results["hota"]["AssA"])),
        "MOTA": float(results["clear"]["MOTA"]),
        "IDF1": float(results["identity"]["IDF1"]),
        "switches": float(results["clear"]["IDSW"]),
    }


def new_tracker() -> Update:
    """The tracker of `--track`."""
    tracker = BoxTracker()
    return lambda found, now: tracker.update(
        found.boxes, found.scores, found.class_ids, THRESHOLD, now
    )


def main() -> None:
    """Print a row for each frame rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rates", type=float, nargs="+", default=[5.0, 10.0, 25.0, 50.0])
    args = parser.parse_args()
    print(f"{args.scenes} scenes of {args.seconds:g} s with 6 objects")
    print(f"{'frames/s':>8} {'HOTA':>6} {'AssA':>6} {'MOTA':>6} {'IDF1':>6} {'switches':>8}")
    for rate in args.rates:
        sequences = [
            run_scene(seed, rate, args.seconds, new_tracker()) for seed in range(args.scenes)
        ]
        row = measure(sequences)
        print(
            f"{rate:8g} {row['HOTA']:6.3f} {row['AssA']:6.3f} {row['MOTA']:6.3f} "
            f"{row['IDF1']:6.3f} {row['switches']:8.0f}"
        )


if __name__ == "__main__":
    main()
