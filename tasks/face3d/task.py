"""3D faces: identity, expression, pose, light and colour of a face, and with them its mesh."""

import base64
import zlib
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from visus.models.face3d.camera import project
from visus.models.face3d.face_model import FIVE_POINTS
from visus.models.face3d.face_models import open_face_model
from visus.models.face3d.morphable import MorphableFace
from visus.tasks.base import VisionTask, gather_objects
from visus.tasks.face3d.metrics import Face3DMetrics, FaceShape
from visus.tasks.face3d.networks.create import FaceCoefficients, create_face_regressor
from visus.tasks.face3d.networks.mirror import FaceMirror
from visus.vision.errors import VisusError

Batch = dict[str, Any]


class Face3DTask(VisionTask):
    """Find the numbers of a linear face model that explain a crop of a face.

    Args:
        backbone: A name from `visus backbones` with two feature maps at least.
        pretrained: `true` for ImageNet weights, or the path of a weights file.
        points: Vertices that the network places in the crop before it tells the numbers, the 68
            landmarks among them.
        hidden: Numbers between the feature maps and the answer.
        vertex_weight: Of the mean distance of vertices in centimetres, in the loss.
        landmark_weight: Of the mean distance of landmarks as a share of the crop's side.
        point_weight: The same for the points.
        pose_weight: Of the squared error of the rotation.
        number_weight: Of the squared error of identity and expression.
        light_weight: Of the squared error of light and skin.
        photograph_weight: Of the mean distance of the five points in photographs, as a share of the
            crop's side; see `visus.datamodules.face3d.data.FaceRendersData`.
        flip_at_test: Average the numbers of a face and of its mirror image.
        face_model: See `visus.datamodules.face3d.data.FaceRendersData`; the command line takes it from the data.
        landmarks: "
        model_digest: Of the face model; the command line takes it from the data.
        components: See `face_model`.
        expressions: See `face_model`.
        image_size: See `VisionTask`; the command line takes it from the data.
        learning_rate: See `VisionTask`.
        backbone_learning_rate: See `VisionTask`.
        weight_decay: See `VisionTask`.
        warmup: See `VisionTask`.
        freeze_epochs: See `VisionTask`.
        freeze_batch_norm: See `VisionTask`.
    """

    task = "face3d"
    monitor = ("val/vertex_error_mm", "min")

    def __init__(
        self,
        backbone: str = "tf_efficientnet_lite0",
        pretrained: bool | str = False,
        points: int = 128,
        hidden: int = 256,
        vertex_weight: float = 1.0,
        landmark_weight: float = 20.0,
        point_weight: float = 20.0,
        pose_weight: float = 3.0,
        number_weight: float = 0.3,
        light_weight: float = 0.1,
        photograph_weight: float = 10.0,
        flip_at_test: bool = False,
        face_model: str = "ict-facekit",
        landmarks: str | None = None,
        model_digest: str | None = None,
        components: int = 40,
        expressions: list[str] | None = None,
        image_size: tuple[int, int] = (128, 128),
        learning_rate: float = 1e-3,
        backbone_learning_rate: float | None = None,
        weight_decay: float = 0.02,
        warmup: float = 0.05,
        freeze_epochs: int = 0,
        freeze_batch_norm: bool = False,
    ) -> None:
        super().__init__(
            [],
            image_size,
            3,
            "stretch",
            learning_rate,
            backbone_learning_rate,
            weight_decay,
            warmup,
            freeze_epochs,
            freeze_batch_norm,
        )
        self.save_hyperparameters(logger=False)
        self.weights = {
            "vertices": vertex_weight,
            "landmarks": landmark_weight,
            "points": point_weight,
            "pose": pose_weight,
            "numbers": number_weight,
            "light": light_weight,
            "photographs": photograph_weight,
        }
        head = open_face_model(face_model, landmarks)
        self.model = head.choose(components, tuple(expressions or ())).face
        if model_digest is not None and model_digest != self.model.digest:
            raise VisusError(
                f"face model {face_model!r} is not the one that this network was trained with; "
                "bring that one back, or train anew"
            )
        self.shapes = MorphableFace(self.model)
        self.mirror = FaceMirror(self.model) if flip_at_test else None
        self.points = self.model.spread_points(points).tolist()
        self.network, (mean, std) = create_face_regressor(
            backbone,
            pretrained,
            self.image_size,
            components,
            len(self.model.expression),
            self.model.neutral[self.points],
            hidden,
            float(np.ptp(self.model.neutral[:, 0])),
        )
        self.network.to(memory_format=torch.channels_last)
        self.set_normalisation(mean, std)
        self.collected = Face3DMetrics()
        self.photographed: list[float] = []
        self.tested: Face3DMetrics | None = None

    @property
    def coefficient_names(self) -> tuple[str, ...]:
        """Names of the identity and expression numbers, in order."""
        identities = tuple(f"identity{i}" for i in range(len(self.model.identity)))
        return identities + self.model.expression_names

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The faces in crops.

        Args:
            images: uint8 of shape (batch, 3, height, width).

        Returns:
            Vertices (batch, vertices, 3) in the face model's frame and units; rotations (batch,
            3, 3); scales (batch, 1): pixels of the crop for one unit; positions (batch, 2) of
            the model's origin in pixels of the crop; identity and expression numbers (batch,
            numbers).
        """
        normalised = self.normalise(images)
        found: FaceCoefficients = self.network(normalised)
        if self.mirror is not None and not self.training:
            found = self.mirror(found, self.network(normalised.flip(3)), self.image_size[1])
        vertices = self.shapes(found.identity, found.expression)
        numbers = torch.cat([found.identity, found.expression], dim=1)
        return vertices, found.rotation, found.scale[:, None], found.position, numbers

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch."""
        found: FaceCoefficients = self.network(self.normalise(batch["image"]))
        losses = self._losses(found, batch)
        if "photograph" in batch:
            losses["photographs"] = self._photograph_loss(batch)
        for name, value in losses.items():
            self.log(f"train/{name}", value.detach())
        loss = torch.stack([self.weights[name] * value for name, value in losses.items()]).sum()
        self.log("train/loss", loss, prog_bar=True)
        return self.refuse_non_finite(loss, batch)

    def _losses(self, found: FaceCoefficients, truth: Batch) -> dict[str, Tensor]:
        centimetres = self.model.millimetres / 10
        true_shapes = self.shapes(truth["identity"], truth["expression"])
        shapes = self.shapes(found.identity, found.expression)
        # Smooth at zero, where a distance has no gradient.
        away = ((shapes - true_shapes).square().sum(-1) + 1e-4).sqrt().mean() * centimetres
        placed = self._marks(shapes, found.rotation, found.scale, found.position)
        place = (truth["rotation"], truth["scale"], truth["position"])
        points = project(true_shapes[:, self.points], *place)[..., :2]
        identity = F.mse_loss(found.identity, truth["identity"])
        expression = F.mse_loss(found.expression, truth["expression"])
        turned = (found.rotation - truth["rotation"]).square().sum((1, 2)).mean()
        light = F.mse_loss(found.light, truth["light"]) + F.mse_loss(found.skin, truth["skin"])
        return {
            "vertices": away,
            "landmarks": self._missed(placed, truth["landmarks"]),
            "points": self._missed(found.points, points),
            "pose": turned,
            "numbers": identity + 10 * expression,
            "light": light,
        }

    def _photograph_loss(self, batch: Batch) -> Tensor:
        """Where the mesh and the points that are placed first put the five points."""
        found: FaceCoefficients = self.network(self.normalise(batch["photograph"]))
        shapes = self.shapes(found.identity, found.expression)
        marks = self._marks(shapes, found.rotation, found.scale, found.position)
        true = batch["five_points"]
        # The landmarks are the first of the points.
        placed = found.points[:, : marks.shape[1]]
        return self._missed(_five(marks), true) + self._missed(_five(placed), true)

    def _missed(self, found: Tensor, true: Tensor) -> Tensor:
        """Mean distance of places as a share of the crop's side; smooth at zero."""
        return ((found - true).square().sum(-1) + 1e-2).sqrt().mean() / self.image_size[1]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Compare one batch."""
        self._collect(batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Compare one batch."""
        self._collect(batch)

    def on_validation_epoch_end(self) -> None:
        """Log the figures over all processes."""
        self._finish("val")

    def on_test_epoch_end(self) -> None:
        """Log the figures over all processes."""
        self.tested = self._finish("test")

    def options(self) -> dict[str, Any]:
        """The mesh's triangles and landmarks, so that an exported file needs no face model."""
        return {
            "triangles": self._packed_triangles,
            "landmarks": self.model.landmarks.tolist(),
            "millimetres": self.model.millimetres,
            "expressions": list(self.model.expression_names),
        }

    @cached_property
    def _packed_triangles(self) -> str:
        packed = zlib.compress(np.ascontiguousarray(self.model.triangles, "<i4").tobytes(), 9)
        return base64.b85encode(packed).decode()

    def _collect(self, batch: Batch) -> None:
        vertices, rotation, scale, position, numbers = self(batch["image"])
        marks = self._marks(vertices, rotation, scale[:, 0], position)
        found = self._face_shapes(vertices, rotation, marks, numbers)
        shapes = self.shapes(batch["identity"], batch["expression"])
        true_numbers = torch.cat([batch["identity"], batch["expression"]], dim=1)
        truth = self._face_shapes(shapes, batch["rotation"], batch["landmarks"], true_numbers)
        mean = self.shapes.neutral.view(1, -1, 3).expand_as(shapes)
        upright = torch.eye(3, device=rotation.device).expand_as(rotation)
        marks = self._marks(mean, batch["rotation"], batch["scale"], batch["position"])
        usual = self._face_shapes(mean, upright, marks, torch.zeros_like(numbers))
        for source, *faces in zip(batch["source"], found, truth, usual, strict=True):
            self.collected.add(source, *faces)
        if "photograph" in batch:
            vertices, rotation, scale, position, _ = self(batch["photograph"])
            marks = _five(self._marks(vertices, rotation, scale[:, 0], position))
            true = batch["five_points"]
            apart = (marks - true).norm(dim=-1).mean(1) / (true[:, 1] - true[:, 0]).norm(dim=-1)
            self.photographed += apart.tolist()

    def _face_shapes(self, vertices: Tensor, *rest: Tensor) -> list[FaceShape]:
        """Faces one by one, of the tensors that `FaceShape` names."""
        tensors = (vertices * self.model.millimetres, *rest)
        arrays = [tensor.float().cpu().numpy() for tensor in tensors]
        return [FaceShape(*parts) for parts in zip(*arrays, strict=True)]

    def _marks(self, vertices: Tensor, rotation: Tensor, scale: Tensor, position: Tensor) -> Tensor:
        """The 68 landmarks in the crop, shape (batch, 68, 2)."""
        return project(vertices[:, self.shapes.landmarks], rotation, scale, position)[..., :2]

    def _finish(self, split: str) -> Face3DMetrics:
        """Score what all processes saw, log the figures, and begin anew."""
        pairs = list(zip(self.collected.records, self.collected.numbers, strict=True))
        gathered = gather_objects(pairs)
        self.collected = Face3DMetrics()
        scores = Face3DMetrics([record for record, _ in gathered], [n for _, n in gathered])
        figures = scores.compute(self.coefficient_names)
        photographed = gather_objects(self.photographed)
        self.photographed = []
        if photographed:
            figures["five_point_error"] = float(np.mean(photographed))
        if not self.trainer.sanity_checking:
            for name, value in figures.items():
                self.log(f"{split}/{name}", value, prog_bar=f"{split}/{name}" == self.monitor[0])
        return scores


def _five(marks: Tensor) -> Tensor:
    """The five points, shape (batch, 5, 2), of the 68 landmarks; see `FIVE_POINTS`."""
    return torch.stack([marks[:, list(members)].mean(1) for members in FIVE_POINTS], dim=1)
