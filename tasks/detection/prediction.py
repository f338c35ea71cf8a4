"""What a detector found: boxes, names, scores, perhaps masks and the numbers of tracks."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.vision.masks import encode_mask
from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Outputs
from visus.vision.resize import Geometry


@dataclass(frozen=True, eq=False)
class DetectionPrediction:
    """The objects found in an image, the surest first.

    Attributes:
        boxes: float32 of shape (N, 4), (x1, y1, x2, y2) in pixels of the image.
        scores: float32 of shape (N,), 0 to 1.
        class_ids: int64 of shape (N,), indices of `class_names`.
        class_names: One name for each class.
        size: (height, width) of the image in pixels.
        threshold: The score from which on a detection is shown and reported.
        mask_grids: float32 of shape (N, rows, columns), 0 to 1: how sure each cell of a grid over
            the box belongs to the object; None for a detector of boxes.
        tracks: int64 of shape (N,): a number for each object that stays from frame to frame; None
            where nothing is tracked.
    """

    task: ClassVar[str] = "detection"

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    class_names: tuple[str, ...]
    size: tuple[int, int]
    threshold: float = 0.5
    mask_grids: NDArray[np.float32] | None = None
    tracks: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        """Refuse what is no detection.

        Raises:
            ValueError: If shapes disagree, a score is outside 0 to 1, a class is unknown, or a box
                is inverted or not finite.
        """
        count = len(self.scores)
        shapes = [self.boxes.shape == (count, 4), self.class_ids.shape == (count,)]
        shapes += [len(a) == count for a in (self.mask_grids, self.tracks) if a is not None]
        if not all(shapes):
            raise ValueError(
                f"{count} scores with boxes of shape {self.boxes.shape} and class ids of shape "
                f"{self.class_ids.shape}: each detection needs one of each"
            )
        if not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise ValueError(f"scores must lie between 0 and 1, got {self.scores}")
        if not ((self.class_ids >= 0) & (self.class_ids < len(self.class_names))).all():
            raise ValueError(f"class ids {self.class_ids} for {len(self.class_names)} classes")
        if not (self.boxes[:, :2] <= self.boxes[:, 2:]).all():
            raise ValueError(f"boxes must be (x1, y1, x2, y2) with x1 <= x2, got {self.boxes}")

    def __len__(self) -> int:
        """How many detections, below the threshold too."""
        return len(self.scores)

    def select(self, index: Any) -> "DetectionPrediction":
        """The detections that a NumPy index or mask names."""
        return replace(
            self,
            boxes=self.boxes[index],
            scores=self.scores[index],
            class_ids=self.class_ids[index],
            mask_grids=None if self.mask_grids is None else self.mask_grids[index],
            tracks=None if self.tracks is None else self.tracks[index],
        )

    def shown(self) -> "DetectionPrediction":
        """Those at or above the threshold."""
        return self.select(self.scores >= self.threshold)

    def label(self, i: int) -> str:
        """The name of the i-th detection's class."""
        return self.class_names[int(self.class_ids[i])]

    def mask(self, i: int) -> NDArray[np.bool_]:
        """The i-th detection's pixels, bool of shape `size`.

        Raises:
            ValueError: If the detector gave no masks.
        """
        if self.mask_grids is None:
            raise ValueError("this detector gives no masks")
        height, width = self.size
        whole = np.zeros((height, width), np.bool_)
        x1, y1, x2, y2 = self.boxes[i]
        left, top = int(np.floor(x1)), int(np.floor(y1))
        right, bottom = min(width, int(np.ceil(x2))), min(height, int(np.ceil(y2)))
        if right <= left or bottom <= top or x2 <= x1 or y2 <= y1:
            return whole
        rows, columns = self.mask_grids[i].shape
        # The grid's values at the centre of each pixel; a border of zeros ends the object softly.
        grid = np.pad(self.mask_grids[i], 1)
        x = (np.arange(left, right) + 0.5 - x1) / (x2 - x1) * columns + 0.5
        y = (np.arange(top, bottom) + 0.5 - y1) / (y2 - y1) * rows + 0.5
        map_x, map_y = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
        sure = cv2.remap(grid, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        whole[top:bottom, left:right] = sure >= 0.5
        return whole

    def to_json(self) -> dict[str, Any]:
        """`{"task": "detection", "detections": [{"box", "label", "score", ...}, ...]}`.

        With masks each has `segmentation`, COCO's run lengths; with tracking `track`. Only what
        reaches the threshold is told.
        """
        shown = self.shown()
        detections = []
        for i in range(len(shown)):
            entry: dict[str, Any] = {
                "box": [round(float(value), 2) for value in shown.boxes[i]],
                "label": shown.label(i),
                "score": round(float(shown.scores[i]), 6),
            }
            if shown.tracks is not None:
                entry["track"] = int(shown.tracks[i])
            if shown.mask_grids is not None:
                entry["segmentation"] = encode_mask(shown.mask(i))
            detections.append(entry)
        return {"task": self.task, "detections": detections}

    def summary(self) -> str:
        """How many of each class reach the threshold."""
        names = [self.class_names[i] for i in self.shown().class_ids]
        counts = {name: names.count(name) for name in dict.fromkeys(names)}
        return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def postprocess(
    outputs: Outputs, geometry: Geometry, metadata: ModelMetadata
) -> DetectionPrediction:
    """Turn a detector's outputs for one fitted image into detections in the original's pixels.

    Args:
        outputs: Boxes (N, 4), scores (N,), labels (N,) and perhaps masks (N, rows, columns);
            those with a score of 0 only fill up.
        geometry: Maps the network's input back to the image.
        metadata: The model's.
    """
    boxes, scores, labels = (np.asarray(output) for output in outputs[:3])
    mapped = geometry.boxes_to_source(boxes.astype(np.float32))
    # Boxes in the margin of a letterbox have no area in the image.
    keep = (scores > 0) & (mapped[:, 2] > mapped[:, 0]) & (mapped[:, 3] > mapped[:, 1])
    masks = np.asarray(outputs[3], np.float32)[keep] if len(outputs) > 3 else None
    return DetectionPrediction(
        mapped[keep],
        scores[keep].astype(np.float32).clip(0, 1),
        labels[keep].astype(np.int64),
        metadata.class_names,
        geometry.source_size,
        float(metadata.options.get("threshold", 0.5)),
        masks,
    )
