"""Face recognition: an embedding of a face that tells whose it is."""

from typing import Any

import torch
from torch import Tensor, nn

from visus.tasks.base import VisionTask, gather_objects, weights_digest
from visus.tasks.face_recognition.metrics import VerificationMetrics, VerificationResult
from visus.tasks.face_recognition.networks import (
    Architecture,
    create_embedder,
    create_identity_loss,
)
from visus.tasks.face_recognition.networks.losses import LossName
from visus.tasks.face_recognition.prediction import FacePrediction
from visus.vision.errors import VisusError
from visus.vision.faces.alignment import ALIGNMENT

Batch = dict[str, Any]


class FaceRecognitionTask(VisionTask):
    """Learn numbers for faces that are alike for one person and unlike for two.

    The task sees aligned faces; applications and data modules find and align them.

    Args:
        architecture: `embedding` on any backbone, or `dlib_resnet`, dlib's own network.
        backbone: A name from `visus backbones`, for `embedding`.
        pretrained: `true` for ImageNet weights, with `dlib_resnet` for dlib's; or the path of a
            weights file.
        embedding: How many numbers a face becomes.
        loss: `arcface`, `cosface` or `triplet`.
        scale: Of the cosines in `arcface` and `cosface`.
        margin: In radians for `arcface`, of the cosine for `cosface`, of the distance for
            `triplet`; by default 0.5, 0.35 and 0.3.
        dropout: Share of the features dropped before the last layer in training.
        flip_at_test: Average the embeddings of a face and its mirror image.
        people_count: How many people are trained on; from the data.
        image_size: See `VisionTask`; the command line takes it from the data.
        min_face: The smallest face that is embedded, in pixels of the image.
        min_sharpness: The least `visus.vision.faces.alignment.sharpness` of a face that is embedded.
        threshold: The similarity from which on two faces are taken for one person's.
        far: The share of pairs of different people that reach this threshold.
        learning_rate: See `VisionTask`.
        backbone_learning_rate: See `VisionTask`.
        weight_decay: See `VisionTask`.
        warmup: See `VisionTask`.
        freeze_epochs: See `VisionTask`.
        freeze_batch_norm: See `VisionTask`.
    """

    task = "face_recognition"
    monitor = ("val/eer", "min")

    def __init__(
        self,
        architecture: Architecture = "embedding",
        backbone: str = "tf_efficientnet_lite0",
        pretrained: bool | str = False,
        embedding: int = 128,
        loss: LossName = "arcface",
        scale: float = 32.0,
        margin: float | None = None,
        dropout: float = 0.0,
        flip_at_test: bool = True,
        people_count: int | None = None,
        image_size: tuple[int, int] = (112, 112),
        min_face: int = 40,
        min_sharpness: float = 5.0,
        threshold: float = 0.5,
        far: float | None = None,
        learning_rate: float = 1e-3,
        backbone_learning_rate: float | None = None,
        weight_decay: float = 0.05,
        warmup: float = 0.1,
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
        self.network, (mean, std) = create_embedder(
            architecture, embedding, backbone, pretrained, self.image_size, dropout
        )
        self.network.to(memory_format=torch.channels_last)
        self.set_normalisation(mean, std)
        self.flip_at_test = flip_at_test
        self.min_face = min_face
        self.min_sharpness = min_sharpness
        # What applications use; set anew at each validation, and by calibration.
        self.register_buffer("threshold", torch.tensor(float(threshold)))
        self.register_buffer("far", torch.tensor(float("nan") if far is None else float(far)))
        given = {"arcface": 0.5, "cosface": 0.35, "triplet": 0.3}.get(loss, 0.0)
        self.identity_loss = create_identity_loss(
            loss, embedding, people_count or 1, scale, given if margin is None else margin
        )
        self.collected = VerificationMetrics()
        self.tested: VerificationResult | None = None

    threshold: Tensor
    far: Tensor

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Embeddings of aligned faces.

        Args:
            images: uint8 of shape (batch, 3, height, width).

        Returns:
            float of shape (batch, embedding), of length one.
        """
        faces = self.normalise(images)
        embeddings: Tensor = self.network(faces)
        if self.flip_at_test and not self.training:
            both = embeddings + self.network(faces.flip(3))
            embeddings = nn.functional.normalize(both)
        return (embeddings,)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch."""
        embeddings = self.network(self.normalise(batch["image"])).float()
        loss: Tensor = self.identity_loss(embeddings, batch["person"])
        self.log("train/loss", loss, prog_bar=True)
        return self.refuse_non_finite(loss, batch)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Embed one batch."""
        self._collect(batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Embed one batch."""
        self._collect(batch)

    def on_validation_epoch_end(self) -> None:
        """Log the figures over all processes, and keep the threshold that they give."""
        result = self._finish("val")
        if result and self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            self.threshold.fill_(result.threshold)
            self.far.fill_(1e-3)

    def on_test_epoch_end(self) -> None:
        """Log the figures over all processes."""
        self.tested = self._finish("test")

    def options(self) -> dict[str, Any]:
        """Which faces are embedded, and from which similarity on two are one person's."""
        far = float(self.far)
        return {
            "min_face": self.min_face,
            "min_sharpness": self.min_sharpness,
            "threshold": round(float(self.threshold), 4),
            "far": None if far != far else round(far, 7),
            "embedding": int(self.hparams["embedding"]),
        }

    def fingerprint(self) -> str:
        """A hash of all that an embedding depends on: embeddings of another are incomparable."""
        facts = f"{ALIGNMENT} {self.image_size} {self.flip_at_test}"
        return weights_digest(self.network, facts)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add which people these are, without their names."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["visus"]["people"] = self._data.people_digest

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to go on with other people: what was learnt of one would fall to another.

        Raises:
            VisusError: If training is to go on and the data show others.
        """
        resumed = self.trainer.state.fn == "fit"
        if resumed and checkpoint["visus"].get("people") != self._data.people_digest:
            raise VisusError(
                f"{self._data.root}: the people to train on are not those that this checkpoint was "
                "trained on; take the same data, or train anew without --ckpt_path"
            )

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The network's, and the loss's own centres."""
        groups = super().parameter_groups()
        centres = list(self.identity_loss.parameters())
        if centres:
            rate, decay = self.learning_rate, self.weight_decay
            groups.append({"params": centres, "lr": rate, "weight_decay": decay})
        return groups

    @property
    def _data(self) -> Any:
        return self.trainer.datamodule  # type: ignore[attr-defined]

    def _collect(self, batch: Batch) -> None:
        predictions = self.predict_step(batch, 0)
        for source, name, found in zip(batch["source"], batch["name"], predictions, strict=True):
            assert isinstance(found, FacePrediction)
            shown = found.embeddings is not None and len(found) and not found.problems[0]
            embedding = found.embeddings[0] if shown and found.embeddings is not None else None
            self.collected.add(source, name, embedding)

    def _finish(self, split: str) -> VerificationResult | None:
        """Score what all processes embedded, log the figures, and begin anew."""
        collected = VerificationMetrics(gather_objects(self.collected.records))
        self.collected = VerificationMetrics()
        if self.trainer.sanity_checking:
            return None
        # A batch cannot tell which images are compared.
        result = collected.compute(self._data.pairs(split))
        for name, value in result.figures.items():
            self.log(f"{split}/{name}", value, prog_bar=f"{split}/{name}" == self.monitor[0])
        return result
