"""The losses of 3D faces: against the truth of renders, and against landmarks of photographs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from visus.models.face3d.camera import project
from visus.models.face3d.face_model import FIVE_POINTS
from visus.models.face3d.morphable import MorphableFace
from visus.tasks.face3d.networks.regressor import FaceCoefficients


@dataclass(frozen=True, eq=False)
class FaceLosses:
    """Losses that are measured on vertices and landmarks rather than on coefficients alone.

    Attributes:
        shapes: The face model.
        points: Indices of the vertices that the network locates, the landmarks first.
        millimetres: Millimetres per unit of the face model.
        side: Side of the crops in pixels.
    """

    shapes: MorphableFace
    points: Sequence[int]
    millimetres: float
    side: int

    def of_renders(self, face: FaceCoefficients, truth: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The losses of rendered faces.

        Args:
            face: Predicted by the network.
            truth: `identity`, `expression`, `rotation`, `scale`, `position`, `light` and `skin` as
                in `FaceCoefficients`, and `landmarks` (batch, 68, 2) in pixels of the crop.

        Returns:
            `vertices`: mean distance of vertices in centimetres. `landmarks` and `points`: mean
            distance as a fraction of the crop's side. `pose`: squared error of the rotation.
            `coefficients`: squared error of identity plus ten times that of expression. `light`:
            squared error of light and skin.
        """
        centimetres = self.millimetres / 10
        true_vertices = self.shapes(truth["identity"], truth["expression"])
        vertices = self.shapes(face.identity, face.expression)
        difference = (vertices - true_vertices) * centimetres
        # Smooth at zero, where a distance has no gradient.
        distance = (difference.square().sum(-1) + 1e-4).sqrt().mean()
        landmarks = self._landmarks(face, vertices)
        pose = (truth["rotation"], truth["scale"], truth["position"])
        points = project(true_vertices[:, self.points], *pose)[..., :2]
        identity = _mean_square(face.identity, truth["identity"])
        expression = _mean_square(face.expression, truth["expression"])
        rotation = (face.rotation - truth["rotation"]).square().sum((1, 2)).mean()
        light = F.mse_loss(face.light, truth["light"]) + F.mse_loss(face.skin, truth["skin"])
        return {
            "vertices": distance,
            "landmarks": self._distance(landmarks, truth["landmarks"]),
            "points": self._distance(face.points, points),
            "pose": rotation,
            "coefficients": identity + 10 * expression,
            "light": light,
        }

    def of_photographs(self, face: FaceCoefficients, five_points: Tensor) -> Tensor:
        """The error of the five landmarks, both of the mesh and of the located points.

        Args:
            face: Predicted by the network.
            five_points: Shape (batch, 5, 2): (x, y) in pixels of the crop.

        Returns:
            The sum of both mean distances, as a fraction of the crop's side.
        """
        landmarks = self._landmarks(face, self.shapes(face.identity, face.expression))
        # The landmarks are the first of the points.
        located = face.points[:, : landmarks.shape[1]]
        of_mesh = self._distance(mean_landmarks(landmarks), five_points)
        return of_mesh + self._distance(mean_landmarks(located), five_points)

    def of_people(self, identity: Tensor, people: Tensor) -> Tensor:
        """How much the shapes of a person differ between photographs.

        Args:
            identity: Identity coefficients, shape (batch, components).
            people: int64 (batch,), equal for faces of the same person only.

        Returns:
            The mean square distance of shapes without expression of one person, as a fraction of
            that of different people, so that it does not shrink with all differences alike; 0
            where the batch shows nobody twice.
        """
        shapes = identity.float() @ self.shapes.identity
        distances = torch.cdist(shapes, shapes).square()
        same = people[:, None] == people
        others = distances[~same]
        pairs = distances[same & ~torch.eye(len(people), dtype=torch.bool, device=same.device)]
        if not len(pairs) or not len(others):
            return shapes.sum() * 0
        return pairs.mean() / others.mean().clamp(min=1e-6)

    def _landmarks(self, face: FaceCoefficients, vertices: Tensor) -> Tensor:
        return self.shapes.project_landmarks(vertices, face.rotation, face.scale, face.position)

    def _distance(self, predicted: Tensor, true: Tensor) -> Tensor:
        """Mean distance of points as a fraction of the crop's side; smooth at zero."""
        return ((predicted - true).square().sum(-1) + 1e-2).sqrt().mean() / self.side


def mean_landmarks(landmarks: Tensor) -> Tensor:
    """The five landmarks of face detectors, (batch, 5, 2), from the 68; see `FIVE_POINTS`."""
    return torch.stack([landmarks[:, list(group)].mean(1) for group in FIVE_POINTS], dim=1)


def _mean_square(predicted: Tensor, true: Tensor) -> Tensor:
    """Mean squared error; 0 of a face model without such coefficients."""
    return F.mse_loss(predicted, true, reduction="sum") / max(1, true.numel())
