"""3D faces: identity, expression and pose of a face from its crop, and with them its mesh."""

import base64
import zlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from visus.models.face3d.face_models import open_face_model
from visus.models.face3d.morphable import MorphableFace
from visus.tasks.base import Batch, VisionTask
from visus.tasks.face3d.data_info import Face3DInfo
from visus.tasks.face3d.metrics import ERRORS, Face3DMetrics, Face3DResult, FaceShape
from visus.tasks.face3d.networks.create import create_face_regressor
from visus.tasks.face3d.networks.losses import FaceLosses, mean_landmarks
from visus.tasks.face3d.networks.mirror import FaceMirror
from visus.tasks.face3d.networks.regressor import FaceCoefficients
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.ranges import NOT_NEGATIVE, WIDTH, Range
from visus.vision.resize import to_planes

LOSS_WEIGHTS = {
    "vertices": 1.0,
    "landmarks": 20.0,
    "points": 20.0,
    "pose": 3.0,
    "coefficients": 0.3,
    "light": 0.1,
    "photographs": 10.0,
    "people": 0.3,
}
"""Default weights of the losses; `visus.tasks.face3d.networks.losses` defines the losses."""


class Face3DTask(VisionTask):
    """Estimate the coefficients of a linear face model from the crop of a face.

    Args:
        data_info: Properties of the data; the command line takes them from the data module.
        points: Vertices that the network locates before it estimates the coefficients, at least
            the 68 landmarks.
        hidden_size: Number of units of the hidden layers.
        loss_weights: Weights of the losses `vertices`, `landmarks`, `points`, `pose`,
            `coefficients`, `light`, `photographs` and `people`; missing ones keep their defaults.
        flip_at_test: Average the predictions for an image and its mirror image.
        kwargs: See `VisionTask`.

    Raises:
        VisusError: If a loss is unknown, or the face model is missing or another.
    """

    task = "face3d"
    monitor = ("val/vertex_error_mm", "min")
    ranges: ClassVar = {
        "points": Range(68, 1_000_000),
        "hidden_size": WIDTH,
        "loss_weights": NOT_NEGATIVE,
    }
    tested: Face3DResult | None

    def __init__(
        self,
        data_info: Face3DInfo | None = None,
        points: int = 128,
        hidden_size: int = 256,
        loss_weights: dict[str, float] | None = None,
        flip_at_test: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_info=data_info, **kwargs)
        assert data_info is not None
        self.loss_weights = complete_loss_weights(loss_weights or {})
        head = open_face_model(data_info.face_model, data_info.landmarks)
        self.face = head.choose(data_info.components, data_info.expressions).face
        if data_info.model_digest not in (None, self.face.digest):
            raise VisusError(
                f"face model {data_info.face_model!r} is not the one that this network was trained "
                "with; restore that one, or train a new network"
            )
        self.shapes = MorphableFace(self.face)
        self.mirror = FaceMirror(self.face) if flip_at_test else None
        located = self.face.spread_points(points).tolist()
        self.losses = FaceLosses(self.shapes, located, self.face.millimetres, self.image_size[1])
        self.network, (mean, std) = create_face_regressor(
            backbone=self.hparams["backbone"],
            pretrained=self.hparams["pretrained"],
            image_size=self.image_size,
            components=data_info.components,
            expressions=len(self.face.expression),
            points=self.face.neutral[located],
            hidden_size=hidden_size,
            extent=float(np.ptp(self.face.neutral[:, 0])),
            **(self.hparams["backbone_options"] or {}),
        )
        self.network.to(memory_format=torch.channels_last)
        self.set_normalisation(mean, std)

    @property
    def coefficient_names(self) -> tuple[str, ...]:
        """Names of the identity and expression coefficients, in order."""
        identities = tuple(f"identity{i}" for i in range(len(self.face.identity)))
        return identities + self.face.expression_names

    def describe_outputs(self) -> str:
        """See `VisionTask.describe_outputs`."""
        return f"{len(self.coefficient_names)} coefficients of a face"

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The faces in crops.

        Args:
            images: uint8 of shape (batch, 3, height, width).

        Returns:
            Vertices (batch, vertices, 3) in the coordinate system and units of the face model;
            rotations (batch, 3, 3); scales (batch, 1) in pixels of the crop per unit; positions
            (batch, 2) of the model's origin in pixels of the crop; identity and expression
            coefficients (batch, coefficients).
        """
        normalised = self.normalise(images)
        face: FaceCoefficients = self.network(normalised)
        if self.mirror is not None and not self.training:
            face = self.mirror(face, self.network(normalised.flip(3)), self.image_size[1])
        vertices = self.shapes(face.identity, face.expression)
        coefficients = torch.cat([face.identity, face.expression], dim=1)
        return vertices, face.rotation, face.scale[:, None], face.position, coefficients

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch of renders, and of photographs where the batch has some."""
        losses = self.losses.of_renders(self.network(self.normalise(batch["image"])), batch)
        if "photograph" in batch:
            face = self.network(self.normalise(batch["photograph"]))
            losses["photographs"] = self.losses.of_photographs(face, batch["five_points"])
            if "person" in batch:
                losses["people"] = self.losses.of_people(face.identity, batch["person"])
        for name, value in losses.items():
            self.log(f"train/{name}", value.detach())
        loss = self.weighted_sum(losses)
        self.log("train/loss", loss, prog_bar=True)
        return self.refuse_non_finite(loss, batch)

    def weighted_sum(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The losses by name as one, each with its weight."""
        return torch.stack([self.loss_weights[k] * value for k, value in losses.items()]).sum()

    @property
    def metric_names(self) -> tuple[str, ...]:
        """See `VisionTask.metric_names`; with photographs also those of their five landmarks."""
        errors = [*ERRORS, *(f"mean_face_{name}" for name in ERRORS), "five_point_error"]
        errors += [f"correlation/{name}" for name in self.coefficient_names]
        losses = [f"train/{name}" for name in LOSS_WEIGHTS]
        return ("train/loss", *losses, *(f"val/{name}" for name in errors))

    def new_metrics(self, split: str) -> Face3DMetrics:
        """See `VisionTask.new_metrics`."""
        return Face3DMetrics(self.coefficient_names)

    def update_metrics(self, metrics: Face3DMetrics, batch: Batch) -> None:
        """See `VisionTask.update_metrics`."""
        vertices, rotation, scale, position, coefficients = self(batch["image"])
        landmarks = self.shapes.project_landmarks(vertices, rotation, scale[:, 0], position)
        predicted = self._face_shapes(vertices, rotation, landmarks, coefficients)
        shapes = self.shapes(batch["identity"], batch["expression"])
        true_coefficients = torch.cat([batch["identity"], batch["expression"]], dim=1)
        truth = self._face_shapes(shapes, batch["rotation"], batch["landmarks"], true_coefficients)
        pose = (batch["rotation"], batch["scale"], batch["position"])
        mean = self.shapes.neutral.view(1, -1, 3).expand_as(shapes)
        upright = torch.eye(3, device=rotation.device).expand_as(rotation)
        landmarks = self.shapes.project_landmarks(mean, *pose)
        baseline = self._face_shapes(mean, upright, landmarks, torch.zeros_like(coefficients))
        for source, *faces in zip(batch["source"], predicted, truth, baseline, strict=True):
            metrics.update(source, *faces)
        if "photograph" in batch:
            vertices, rotation, scale, position, _ = self(batch["photograph"])
            landmarks = self.shapes.project_landmarks(vertices, rotation, scale[:, 0], position)
            true = batch["five_points"]
            distances = (mean_landmarks(landmarks) - true).norm(dim=-1).mean(1)
            eye_distances = (true[:, 1] - true[:, 0]).norm(dim=-1)
            metrics.update_photographs((distances / eye_distances).tolist())

    def landmarks_of(self, crops: list[Pixels]) -> NDArray[np.float32]:
        """The landmarks of the faces in crops.

        Args:
            crops: uint8 of shape (*image_size, 3).

        Returns:
            float32 of shape (faces, 68, 2), (x, y) in pixels of the crop.
        """
        batch = torch.from_numpy(np.stack([to_planes(crop) for crop in crops]))
        with torch.inference_mode():
            vertices, rotation, scale, position, _ = self(batch.to(self.device))
            points = self.shapes.project_landmarks(vertices, rotation, scale[:, 0], position)
        return np.asarray(points.float().cpu().numpy(), np.float32)

    def options(self) -> dict[str, Any]:
        """The mesh's triangles and landmarks, so that an exported file needs no face model."""
        return {
            "triangles": self._packed_triangles,
            "landmarks": self.face.landmarks.tolist(),
            "millimetres": self.face.millimetres,
            "expressions": list(self.face.expression_names),
        }

    @cached_property
    def _packed_triangles(self) -> str:
        packed = zlib.compress(np.ascontiguousarray(self.face.triangles, "<i4").tobytes(), 9)
        return base64.b85encode(packed).decode()

    def _face_shapes(self, vertices: Tensor, *rest: Tensor) -> list[FaceShape]:
        """Each face of a batch, from the tensors of `FaceShape`; vertices in units of the model."""
        tensors = (vertices * self.face.millimetres, *rest)
        arrays = [tensor.float().cpu().numpy() for tensor in tensors]
        return [FaceShape(*parts) for parts in zip(*arrays, strict=True)]


def complete_loss_weights(given: Mapping[str, float]) -> dict[str, float]:
    """The weights of all losses, those that are not given from `LOSS_WEIGHTS`.

    Raises:
        VisusError: If a name is unknown.
    """
    for name in given:
        if name not in LOSS_WEIGHTS:
            raise VisusError(
                f"model.loss_weights {name!r}: there is no such loss; the losses are "
                f"{', '.join(LOSS_WEIGHTS)}"
            )
    return {**LOSS_WEIGHTS, **given}
