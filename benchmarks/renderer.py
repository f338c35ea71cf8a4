"""Throughput of the face renderer on one core, compared with polygons drawn by OpenCV.

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
    rotations = rotation_from_angles(rng.normal(0, (25, 10, 10), (BATCH, 3)))
    scale = 0.8 * SIZE[0] / float(np.ptp(face.neutral[:, 1]))
    vertices = face.neutral @ rotations.transpose(0, 2, 1) * np.array([1, -1, 1]) * scale
    vertices = (vertices + np.array([64, 56, 0])).astype(np.float32)
    colours = rng.uniform(0, 1, (BATCH, len(face.neutral), 3)).astype(np.float32)
    renderer = FaceRenderer(head.choose(min(40, len(head.identity)), ()), SIZE)
    first = iter(range(10**6))

    def rasterise_face() -> None:
        interpolate(rasterise(vertices, face.triangles, SIZE), face.triangles, colours)

    def draw_polygons() -> None:
        _draw_polygons(vertices[0], face.triangles, colours[0])

    def render_images() -> None:
        renderer([next(first) for _ in range(BATCH)])

    calls: list[tuple[Callable[[], None], int]] = [
        (rasterise_face, BATCH),
        (draw_polygons, 1),
        (render_images, BATCH),
    ]
    times: list[list[float]] = [[] for _ in calls]
    for i in range(ROUNDS + 1):
        for (call, images), seconds in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            # The first round compiles.
            if i:
                seconds.append((time.perf_counter() - start) / images)
    print(f"{SIZE[1]} x {SIZE[0]}, one core, images/s: medians of {ROUNDS} (the fastest)")
    names = (
        f"face of {len(face.neutral)} vertices, with depth and colours",
        "the same as polygons drawn by OpenCV",
        f"complete training images of the whole head ({len(head.neutral)} vertices)",
    )
    for name, seconds in zip(names, times, strict=True):
        print(f"{name}: {1 / float(np.median(seconds)):.0f} ({1 / min(seconds):.0f})")
    ratio = float(np.median(times[1])) / float(np.median(times[0]))
    print(f"compared with OpenCV's polygons: {ratio:.1f} times as fast")


def _draw_polygons(
    vertices: NDArray[np.float32], triangles: NDArray[np.int32], colours: NDArray[np.float32]
) -> None:
    """Painter's algorithm: triangles by descending distance, each in one colour."""
    canvas = np.zeros((*SIZE, 3), np.float32)
    order = np.argsort(vertices[triangles, 2].mean(1))
    corners = np.round(vertices[triangles[order], :2]).astype(np.int32)
    flat = colours[triangles[order]].mean(1)
    for polygon, colour in zip(corners, flat, strict=True):
        cv2.fillConvexPoly(canvas, polygon, colour.tolist())


if __name__ == "__main__":
    main()
