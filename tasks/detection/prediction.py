"""The prediction of a detector: boxes, classes, scores, optionally masks and track numbers."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.tasks.detection.counts import LineCount, ZoneCount
from visus.vision.masks import encode_mask
from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Item, Outputs, Regions, as_box
from visus.vision.resize import Geometry

_CONCEALED_SCORE = 0.15
"""Least score of the detections that are concealed: a missed one is worse than a false one."""


@dataclass(frozen=True, eq=False)
class DetectionPrediction:
    """The detections in an image, sorted by descending score.

    Attributes:
        boxes: float32 of shape (N, 4), (x1, y1, x2, y2) in pixels of the image.
        scores: float32 of shape (N,), 0 to 1.
        class_ids: int64 of shape (N,), indices of `class_names`.
        class_names: One name for each class.
        size: (height, width) of the image in pixels.
        threshold: Minimum score of the detections that are reported and drawn.
        mask_grids: float32 of shape (N, rows, columns), 0 to 1: the probability that each cell of a
            grid over the box belongs to the object; None without masks.
        tracks: int64 of shape (N,): track numbers, which stay from frame to frame; None without
            tracking.
        lines: How many tracks crossed each line.
        zones: Which tracks are inside each zone.
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
    lines: tuple[LineCount, ...] = ()
    zones: tuple[ZoneCount, ...] = ()

    def __post_init__(self) -> None:
        """Check the arrays.

        Raises:
            ValueError: If shapes disagree, a score is outside 0 to 1, a class id is unknown, or a
                box is inverted or not finite.
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
        """Number of detections, including those below the threshold."""
        return len(self.scores)

    @property
    def uncertainty(self) -> float:
        """0 for certain detections, to 1: how close scores are to the threshold, on average.

        Scores down to half the threshold count too, as they may be missed objects.
        """
        scores = self.scores[self.scores >= self.threshold / 2]
        if not len(scores):
            return 0.0
        room = np.where(scores >= self.threshold, 1 - self.threshold, self.threshold)
        distances = np.abs(scores - self.threshold) / np.maximum(room, 1e-6)
        return float((1 - distances).mean().clip(0, 1))

    def select(self, index: Any) -> "DetectionPrediction":
        """The detections of a NumPy index or boolean mask."""
        return replace(
            self,
            boxes=self.boxes[index],
            scores=self.scores[index],
            class_ids=self.class_ids[index],
            mask_grids=None if self.mask_grids is None else self.mask_grids[index],
            tracks=None if self.tracks is None else self.tracks[index],
        )

    def above_threshold(self) -> "DetectionPrediction":
        """The detections with a score at or above the threshold."""
        return self.select(self.scores >= self.threshold)

    def items(self) -> list[Item]:
        """The detections at or above the threshold; with tracking each has its `track`."""
        shown = self.above_threshold()
        items = []
        for i in range(len(shown)):
            details = {"class_id": int(shown.class_ids[i])}
            if shown.tracks is not None:
                details["track"] = int(shown.tracks[i])
            score, box = float(shown.scores[i]), as_box(shown.boxes[i])
            items.append(Item(shown.label(i), score, box, details))
        return items

    def masks(self) -> NDArray[np.bool_] | None:
        """The masks of all detections, bool of shape (N, *size); None without masks."""
        if self.mask_grids is None:
            return None
        masks = np.zeros((len(self), *self.size), np.bool_)
        for i in range(len(self)):
            masks[i] = self.mask(i)
        return masks

    def label(self, i: int) -> str:
        """Class name of the i-th detection."""
        return self.class_names[int(self.class_ids[i])]

    def mask(self, i: int) -> NDArray[np.bool_]:
        """The mask of the i-th detection, bool of shape `size`.

        Raises:
            ValueError: If the detector predicts no masks.
        """
        if self.mask_grids is None:
            raise ValueError("this detector predicts no masks")
        height, width = self.size
        mask = np.zeros((height, width), np.bool_)
        x1, y1, x2, y2 = self.boxes[i]
        left, top = int(np.floor(x1)), int(np.floor(y1))
        right, bottom = min(width, int(np.ceil(x2))), min(height, int(np.ceil(y2)))
        if right <= left or bottom <= top or x2 <= x1 or y2 <= y1:
            return mask
        rows, columns = self.mask_grids[i].shape
        # Interpolated at the centre of each pixel; a border of zeros lets the object end softly.
        grid = np.pad(self.mask_grids[i], 1)
        x = (np.arange(left, right) + 0.5 - x1) / (x2 - x1) * columns + 0.5
        y = (np.arange(top, bottom) + 0.5 - y1) / (y2 - y1) * rows + 0.5
        map_x, map_y = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
        probability = cv2.remap(
            grid, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
        )
        mask[top:bottom, left:right] = probability >= 0.5
        return mask

    def to_json(self) -> dict[str, Any]:
        """`{"task": "detection", "detections": [{"box", "label", "score", ...}, ...]}`.

        Only detections at or above the threshold; with masks each has `segmentation`, COCO's run
        lengths, and with tracking `track`. With lines or zones there are `lines` and `zones`.
        """
        shown = self.above_threshold()
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
        result: dict[str, Any] = {"task": self.task, "detections": detections}
        if self.lines:
            result["lines"] = [line.to_json() for line in self.lines]
        if self.zones:
            result["zones"] = [zone.to_json() for zone in self.zones]
        return result

    def regions(self, labels: Collection[str]) -> Regions:
        """See `visus.vision.prediction.Concealable`; includes detections below the threshold."""
        known = [self.class_names.index(label) for label in labels]
        least = min(_CONCEALED_SCORE, self.threshold / 2)
        chosen = np.flatnonzero((self.scores >= least) & np.isin(self.class_ids, known))
        mask = None
        if self.mask_grids is not None:
            mask = np.zeros(self.size, np.bool_)
            for i in chosen.tolist():
                mask |= self.mask(i)
        return Regions(self.boxes[chosen], self.scores[chosen], self.class_ids[chosen], mask)

    def summary(self) -> str:
        """The number of detections of each class at or above the threshold, and the counts."""
        names = [self.class_names[i] for i in self.above_threshold().class_ids]
        counts = {name: names.count(name) for name in dict.fromkeys(names)}
        text = ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"
        lines = [line.summary() for line in self.lines]
        return "; ".join([text, *lines, *(zone.summary() for zone in self.zones)])


def map_boxes(
    outputs: Outputs, geometry: Geometry
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The boxes of a detector's outputs in pixels of the original image, and which ones count.

    Args:
        outputs: See `postprocess`.
        geometry: See `postprocess`.

    Returns:
        float32 of shape (N, 4), and bool of shape (N,): False for padding, and for boxes in the
        padding of a letterboxed image, which have no area in the original.
    """
    boxes, scores = (np.asarray(output) for output in outputs[:2])
    mapped = geometry.boxes_to_source(boxes.astype(np.float32))
    keep = (scores > 0) & (mapped[:, 2] > mapped[:, 0]) & (mapped[:, 3] > mapped[:, 1])
    return mapped, keep


def postprocess(
    outputs: Outputs, geometry: Geometry, metadata: ModelMetadata
) -> DetectionPrediction:
    """Convert a detector's outputs for one image into detections in pixels of the original image.

    Args:
        outputs: Boxes (N, 4), scores (N,), labels (N,) and optionally masks (N, rows, columns);
            rows with a score of 0 are padding.
        geometry: Maps the network's input back to the original image.
        metadata: The model's metadata.
    """
    _, scores, labels = (np.asarray(output) for output in outputs[:3])
    mapped, keep = map_boxes(outputs, geometry)
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
