"""Images a second of the face renderer on one core, against OpenCV's painter in the same run.

python benchmarks/renderer.py [FACE_MODEL]
"""

import os
import sys
import time
from collections.abc import Callable

# Before NumPy starts its threads.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.datamodules.face3d.renders import FaceRenderer
from visus.models.face3d.camera import rotation_from_angles
from visus.models.face3d.face_models import open_face_model
from visus.models.face3d.renderer import interpolate, rasterise

SIZE = (128, 128)
BATCH = 8
ROUNDS = 41


def main() -> None:
    """Print the figures."""
    cv2.setNumThreads(1)
    head = open_face_model(sys.argv[1] if len(sys.argv) > 1 else "ict-facekit")
    face = head.face
    rng = np.random.default_rng(0)
    turns = rotation_from_angles(rng.normal(0, (25, 10, 10), (BATCH, 3)))
    scale = 0.8 * SIZE[0] / float(np.ptp(face.neutral[:, 1]))
    placed = face.neutral @ turns.transpose(0, 2, 1) * np.array([1, -1, 1]) * scale
    placed = (placed + np.array([64, 56, 0])).astype(np.float32)
    colours = rng.uniform(0, 1, (BATCH, len(face.neutral), 3)).astype(np.float32)
    renderer = FaceRenderer(head.choose(min(40, len(head.identity)), ()), SIZE)
    first = iter(range(10**6))

    def draw() -> None:
        interpolate(rasterise(placed, face.triangles, SIZE), face.triangles, colours)

    def paint() -> None:
        _paint(placed[0], face.triangles, colours[0])

    def finish() -> None:
        renderer([next(first) for _ in range(BATCH)])

    works: list[tuple[Callable[[], None], int]] = [(draw, BATCH), (paint, 1), (finish, BATCH)]
    times: list[list[float]] = [[] for _ in works]
    for turn in range(ROUNDS + 1):
        for (work, images), spent in zip(works, times, strict=True):
            start = time.perf_counter()
            work()
            # The first round compiles.
            if turn:
                spent.append((time.perf_counter() - start) / images)
    print(f"{SIZE[1]} x {SIZE[0]}, one core, images a second: medians of {ROUNDS} (the fastest)")
    names = (
        f"face of {len(face.neutral)} vertices, with depth and colours",
        "the same by OpenCV's painter",
        f"finished training images of the whole head ({len(head.neutral)} vertices)",
    )
    for name, spent in zip(names, times, strict=True):
        print(f"{name}: {1 / float(np.median(spent)):.0f} ({1 / min(spent):.0f})")
    ratio = float(np.median(times[1])) / float(np.median(times[0]))
    print(f"against OpenCV's painter: {ratio:.1f} times as fast")


def _paint(
    vertices: NDArray[np.float32], triangles: NDArray[np.int32], colours: NDArray[np.float32]
) -> None:
    """The farthest triangle first, each in one colour."""
    canvas = np.zeros((*SIZE, 3), np.float32)
    order = np.argsort(vertices[triangles, 2].mean(1))
    corners = np.round(vertices[triangles[order], :2]).astype(np.int32)
    flat = colours[triangles[order]].mean(1)
    for polygon, colour in zip(corners, flat, strict=True):
        cv2.fillConvexPoly(canvas, polygon, colour.tolist())


if __name__ == "__main__":
    main()
