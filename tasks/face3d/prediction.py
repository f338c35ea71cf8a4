"""Faces in space: shape, pose and landmarks of each face of an image."""

import base64
import zlib
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from visus.vision.faces.crop import FaceCrops
from visus.vision.faces.found import FoundFaces
from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Outputs

_FRONT = np.array([1, -1, 1], np.float32)




@dataclass(frozen=True, eq=False)
class Face3DPrediction:
    """The faces found in an image, and the shapes of those without a problem.

    A face's own frame has x to the right of the image, y upwards and z out of the face, in the
    units of the face model.

    Attributes:
        found: The faces, the surest first, each with its problem if it has one.
        vertices: float32 (faces without a problem, vertices, 3) in the face's own frame.
        rotations: float32 (faces, 3, 3): from there to how the head is turned.
        scales: float32 (faces,): pixels of the image for one unit.
        positions: float32 (faces, 2): where the frame's origin lies, (x, y) in pixels.
        numbers: float32 (faces, numbers): identity, then expression.
        expressions: Names of the last numbers.
        triangles: int32 (triangles, 3): corners, counter-clockwise as seen from outside.
        landmarks: int32 (68,): which vertices are the landmarks of the iBUG markup.
        millimetres: Of one unit.
    """

    task: ClassVar[str] = "face3d"

    found: FoundFaces
    vertices: NDArray[np.float32]
    rotations: NDArray[np.float32]
    scales: NDArray[np.float32]
    positions: NDArray[np.float32]
    numbers: NDArray[np.float32]
    expressions: tuple[str, ...]
    triangles: NDArray[np.int32]
    landmarks: NDArray[np.int32]
    millimetres: float

    def __post_init__(self) -> None:
        """Refuse what is no list of faces.

        Raises:
            ValueError: If their counts disagree.
        """
        clear = sum(not problem for problem in self.found.problems)
        lists = (self.vertices, self.rotations, self.scales, self.positions, self.numbers)
        if any(len(values) != clear for values in lists):
            raise ValueError(f"{clear} faces without a problem need as many shapes and poses")

    def __len__(self) -> int:
        """How many faces have a shape."""
        return len(self.scales)

    @property
    def shaped(self) -> list[int]:
        """For each shape, which face of `found` it is of."""
        return [i for i, problem in enumerate(self.found.problems) if not problem]

    def in_image(self, i: int) -> NDArray[np.float32]:
        """The vertices of the i-th shape in its image.

        Returns:
            float32 (vertices, 3): x and y in pixels, and z towards the viewer in pixels.
        """
        placed = self.vertices[i] @ self.rotations[i].T * (self.scales[i] * _FRONT)
        placed[:, :2] += self.positions[i]
        return np.asarray(placed, np.float32)

    def landmarks68(self, i: int) -> NDArray[np.float32]:
        """The landmarks of the i-th shape, float32 (68, 2), (x, y) in pixels."""
        return self.in_image(i)[self.landmarks, :2]

    def pose(self, i: int) -> dict[str, float]:
        """How the i-th head is turned, in degrees.

        Returns:
            `yaw` (to the right of the image), `pitch` (down) and `roll` (counter-clockwise).
        """
        rotation = self.rotations[i].astype(np.float64)
        return {
            "yaw": float(np.degrees(np.arctan2(rotation[0, 2], rotation[2, 2]))),
            "pitch": float(np.degrees(np.arcsin(np.clip(-rotation[1, 2], -1, 1)))),
            "roll": float(np.degrees(np.arctan2(rotation[1, 0], rotation[1, 1]))),
        }

    def to_json(self) -> dict[str, Any]:
        """`{"task": "face3d", "faces": [{"box", "score", "landmarks68", "pose"}, ...]}`.

        `expression` tells the numbers by name; a face without a shape has a `problem` instead.
        """
        faces = []
        shape = 0
        for face, problem in enumerate(self.found.problems):
            entry: dict[str, Any] = {
                "box": [round(float(value), 2) for value in self.found.boxes[face]],
                "score": round(float(self.found.scores[face]), 6),
            }
            if problem:
                entry["problem"] = problem
            else:
                marks = self.landmarks68(shape)
                entry["landmarks68"] = [[round(float(v), 2) for v in point] for point in marks]
                entry["pose"] = {k: round(v, 2) for k, v in self.pose(shape).items()}
                values = self.numbers[shape][len(self.numbers[shape]) - len(self.expressions) :]
                entry["expression"] = {
                    name: round(float(value), 3)
                    for name, value in zip(self.expressions, values, strict=True)
                }
                shape += 1
            faces.append(entry)
        return {"task": self.task, "faces": faces}

    def summary(self) -> str:
        """How many faces, and how they are turned."""
        if not len(self.found):
            return "no face"
        told = [problem for problem in self.found.problems if problem]
        return ", ".join([self.label(i) for i in range(len(self))] + told)

    def label(self, i: int) -> str:
        """How the i-th head is turned, for people."""
        return "  ".join(f"{name} {value:+.0f}°" for name, value in self.pose(i).items())


def postprocess(outputs: Outputs, crops: FaceCrops, metadata: ModelMetadata) -> Face3DPrediction:
    """Bring what a network found in crops to the pixels of the image.

    Args:
        outputs: As `visus.tasks.face3d.task.Face3DTask.forward` gives them for the faces without a problem, or for
            one face without the batch dimension.
        crops: The faces, and the squares that the network was shown.
        metadata: The model's.
    """
    vertices, rotations, scales, positions, numbers = (
        np.asarray(output, np.float32) for output in outputs
    )
    if rotations.ndim == 2:
        single = (vertices, rotations, scales, positions, numbers)
        vertices, rotations, scales, positions, numbers = (value[None] for value in single)
    left_top, side = crops.squares[:, :2], crops.squares[:, 2]
    zoom = side / metadata.image_size[1]
    options = metadata.options
    packed = zlib.decompress(base64.b85decode(options["triangles"]))
    return Face3DPrediction(
        crops.found,
        vertices,
        rotations,
        np.asarray(scales[:, 0] * zoom, np.float32),
        np.asarray(positions * zoom[:, None] + left_top, np.float32),
        numbers,
        tuple(options["expressions"]),
        np.frombuffer(packed, "<i4").reshape(-1, 3).astype(np.int32),
        np.array(options["landmarks"], np.int32),
        float(options["millimetres"]),
    )
