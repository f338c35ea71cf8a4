"""The predicted 3D faces of an image: shape, pose and landmarks of each."""

import base64
import zlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from visus.vision.faces.crop import FaceCrops
from visus.vision.faces.found import FoundFaces
from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Item, Outputs, Regions, as_box

_TO_IMAGE = np.array([1, -1, 1], np.float32)
"""The image's y axis points downwards."""


@dataclass(frozen=True, eq=False)
class Face3DPrediction:
    """The detected faces of an image, and the shapes of those without a problem.

    The coordinate system of a face has x to the right of the image, y upwards and z out of the
    face, in the units of the face model.

    Attributes:
        faces: The detected faces, sorted by descending score, each with its problem if it has one.
        vertices: float32 (faces without a problem, vertices, 3) in the face's coordinate system.
        rotations: float32 (shapes, 3, 3): the rotation of each head.
        scales: float32 (shapes,): pixels of the image per unit.
        positions: float32 (shapes, 2): position of the face's origin, (x, y) in pixels.
        coefficients: float32 (shapes, coefficients): identity, then expression.
        expressions: Names of the expression coefficients.
        triangles: int32 (triangles, 3): vertex indices, counter-clockwise as seen from outside.
        landmarks: int32 (68,): vertex indices of the landmarks in the order of the iBUG markup.
        millimetres: Millimetres per unit.
    """

    task: ClassVar[str] = "face3d"

    faces: FoundFaces
    vertices: NDArray[np.float32]
    rotations: NDArray[np.float32]
    scales: NDArray[np.float32]
    positions: NDArray[np.float32]
    coefficients: NDArray[np.float32]
    expressions: tuple[str, ...]
    triangles: NDArray[np.int32]
    landmarks: NDArray[np.int32]
    millimetres: float

    def __post_init__(self) -> None:
        """Validate the lengths.

        Raises:
            ValueError: If a list has not one entry for each face without a problem.
        """
        count = len(self.shaped)
        lists = (self.vertices, self.rotations, self.scales, self.positions, self.coefficients)
        if any(len(values) != count for values in lists):
            raise ValueError(f"{count} faces without a problem need as many shapes and poses")

    def __len__(self) -> int:
        """Number of faces with a shape."""
        return len(self.scales)

    @property
    def shaped(self) -> list[int]:
        """For each shape the index of its face in `faces`."""
        return [i for i, problem in enumerate(self.faces.problems) if not problem]

    def in_image(self, i: int) -> NDArray[np.float32]:
        """The vertices of the i-th shape in the image.

        Returns:
            float32 (vertices, 3): x, y and, increasing towards the viewer, z in pixels.
        """
        projected = self.vertices[i] @ self.rotations[i].T * (self.scales[i] * _TO_IMAGE)
        projected[:, :2] += self.positions[i]
        return np.asarray(projected, np.float32)

    def landmarks68(self, i: int) -> NDArray[np.float32]:
        """The landmarks of the i-th shape, float32 (68, 2), (x, y) in pixels."""
        return self.in_image(i)[self.landmarks, :2]

    def pose(self, i: int) -> dict[str, float]:
        """The head pose of the i-th shape in degrees.

        Returns:
            `yaw` (positive to the right of the image), `pitch` (positive down) and `roll`
            (positive counter-clockwise).
        """
        rotation = self.rotations[i].astype(np.float64)
        return {
            "yaw": float(np.degrees(np.arctan2(rotation[0, 2], rotation[2, 2]))),
            "pitch": float(np.degrees(np.arcsin(np.clip(-rotation[1, 2], -1, 1)))),
            "roll": float(np.degrees(np.arctan2(rotation[1, 0], rotation[1, 1]))),
        }

    def items(self) -> list[Item]:
        """The faces, each with its pose, or with a `problem` where it has no shape."""
        items = []
        shapes = {face: shape for shape, face in enumerate(self.shaped)}
        for face, problem in enumerate(self.faces.problems):
            details: dict[str, str | int | float] = {}
            details |= {"problem": problem} if problem else self.pose(shapes[face])
            score, box = float(self.faces.scores[face]), as_box(self.faces.boxes[face])
            items.append(Item("", score, box, details))
        return items

    def regions(self, labels: Collection[str]) -> Regions:
        """See `visus.vision.faces.found.FoundFaces.regions`."""
        return self.faces.regions(labels)

    def select(self, index: NDArray[np.integer]) -> "Face3DPrediction":
        """The faces of these indices of `faces`, in their order, with their shapes."""
        shapes = {face: shape for shape, face in enumerate(self.shaped)}
        kept = np.array([shapes[int(face)] for face in index if int(face) in shapes], int)
        return replace(
            self,
            faces=self.faces.select(index),
            vertices=self.vertices[kept],
            rotations=self.rotations[kept],
            scales=self.scales[kept],
            positions=self.positions[kept],
            coefficients=self.coefficients[kept],
        )

    def to_json(self) -> dict[str, Any]:
        """`{"task": "face3d", "faces": [{"box", "score", "landmarks68", "pose"}, ...]}`.

        `expression` maps names to coefficients; a face without a shape has a `problem` instead.
        """
        faces = []
        shape = 0
        for face, problem in enumerate(self.faces.problems):
            entry: dict[str, Any] = {
                "box": [round(float(value), 2) for value in self.faces.boxes[face]],
                "score": round(float(self.faces.scores[face]), 6),
            }
            if problem:
                entry["problem"] = problem
            else:
                landmarks = self.landmarks68(shape)
                entry["landmarks68"] = [[round(float(v), 2) for v in point] for point in landmarks]
                entry["pose"] = {k: round(v, 2) for k, v in self.pose(shape).items()}
                coefficients = self.coefficients[shape]
                values = coefficients[len(coefficients) - len(self.expressions) :]
                entry["expression"] = {
                    name: round(float(value), 3)
                    for name, value in zip(self.expressions, values, strict=True)
                }
                shape += 1
            faces.append(entry)
        return {"task": self.task, "faces": faces}

    def summary(self) -> str:
        """The pose of each shape, and the problems of the other faces."""
        if not len(self.faces):
            return "no face"
        problems = [problem for problem in self.faces.problems if problem]
        return ", ".join([self.label(i) for i in range(len(self))] + problems)

    def label(self, i: int) -> str:
        """The head pose of the i-th shape as text."""
        return "  ".join(f"{name} {value:+.0f}°" for name, value in self.pose(i).items())


@lru_cache(maxsize=8)
def unpack_triangles(packed: str) -> NDArray[np.int32]:
    """The triangles that a model's options hold, int32 (triangles, 3), read-only.

    Args:
        packed: Vertex indices as little-endian int32, compressed, in base 85.
    """
    indices = np.frombuffer(zlib.decompress(base64.b85decode(packed)), "<i4")
    triangles = indices.reshape(-1, 3).astype(np.int32)
    triangles.flags.writeable = False
    return triangles


def postprocess(outputs: Outputs, crops: FaceCrops, metadata: ModelMetadata) -> Face3DPrediction:
    """Map the network's outputs from crops to pixels of the image.

    Args:
        outputs: As `visus.tasks.face3d.task.Face3DTask.forward` returns them for the faces without
            a problem, or for one face without the batch dimension.
        crops: The faces, and the squares of the crops.
        metadata: The model's metadata.
    """
    vertices, rotations, scales, positions, coefficients = (
        np.asarray(output, np.float32) for output in outputs
    )
    if rotations.ndim == 2:
        single = (vertices, rotations, scales, positions, coefficients)
        vertices, rotations, scales, positions, coefficients = (value[None] for value in single)
    left_top, side = crops.squares[:, :2], crops.squares[:, 2]
    zoom = side / metadata.image_size[1]
    options = metadata.options
    return Face3DPrediction(
        crops.faces,
        vertices,
        rotations,
        np.asarray(scales[:, 0] * zoom, np.float32),
        np.asarray(positions * zoom[:, None] + left_top, np.float32),
        coefficients,
        tuple(options["expressions"]),
        unpack_triangles(options["triangles"]),
        np.array(options["landmarks"], np.int32),
        float(options["millimetres"]),
    )
