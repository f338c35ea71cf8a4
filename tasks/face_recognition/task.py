"""Face recognition: an embedding of a face, similar for one person and dissimilar for others."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from visus.models.weights_digest import weights_digest
from visus.tasks.base import Batch, VisionTask
from visus.tasks.face_recognition.data_info import FaceRecognitionInfo
from visus.tasks.face_recognition.metrics import (
    METRIC_NAMES,
    VerificationMetrics,
    VerificationResult,
)
from visus.tasks.face_recognition.networks import (
    Architecture,
    LossName,
    create_embedder,
    create_identity_loss,
)
from visus.tasks.face_recognition.prediction import FacePrediction
from visus.vision.errors import VisusError
from visus.vision.faces.alignment import ALIGNMENT
from visus.vision.ranges import (
    NOT_NEGATIVE,
    POSITIVE,
    PROBABILITY,
    WIDTH,
    Range,
)

_VALIDATION_FAR = 1e-3
"""False-accept rate of the threshold that a validation sets."""


class FaceRecognitionTask(VisionTask):
    """Embed aligned faces; data modules and applications detect and align them.

    Args:
        data_info: Properties of the data; the command line takes them from the data module.
        architecture: `embedding` on any backbone, or `dlib_resnet`, dlib's own network.
        embedding: Length of an embedding.
        loss: `arcface`, `cosface` or `triplet`.
        scale: Factor of the cosines in `arcface` and `cosface`.
        margin: In radians for `arcface`, of the cosine for `cosface`, of the distance for
            `triplet`; by default 0.5, 0.35 and 0.3.
        dropout: Probability that a feature is dropped before the last layer in training.
        flip_at_test: Average the embeddings of a face and its mirror image.
        min_face: Side of the smallest face that is embedded, in pixels of the image.
        min_sharpness: Minimum `visus.vision.faces.alignment.sharpness` of an embedded face.
        kwargs: See `VisionTask`.

    Attributes:
        threshold: Similarity from which two faces are accepted as one person's; set by each
            validation in training.
        far: False-accept rate at this threshold; NaN where it is unknown.

    Raises:
        VisusError: If an argument is out of range.
    """

    task = "face_recognition"
    monitor = ("val/eer", "min")
    ranges: ClassVar = {
        "embedding": WIDTH,
        "scale": POSITIVE,
        "margin": NOT_NEGATIVE,
        "dropout": PROBABILITY,
        "min_face": Range(1, 16_384),
        "min_sharpness": NOT_NEGATIVE,
    }
    threshold: Tensor
    far: Tensor
    tested: VerificationResult | None

    def __init__(
        self,
        data_info: FaceRecognitionInfo | None = None,
        architecture: Architecture = "embedding",
        embedding: int = 128,
        loss: LossName = "arcface",
        scale: float = 32.0,
        margin: float | None = None,
        dropout: float = 0.0,
        flip_at_test: bool = True,
        min_face: int = 40,
        min_sharpness: float = 5.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_info=data_info, **kwargs)
        assert data_info is not None
        self.people_count = data_info.people_count or 0
        self.network, (mean, std) = create_embedder(
            architecture,
            embedding=embedding,
            backbone=self.hparams["backbone"],
            pretrained=self.hparams["pretrained"],
            image_size=self.image_size,
            dropout=dropout,
            **(self.hparams["backbone_options"] or {}),
        )
        self.network.to(memory_format=torch.channels_last)
        self.set_normalisation(mean, std)
        self.embedding_size = embedding
        self.flip_at_test = flip_at_test
        self.min_face = min_face
        self.min_sharpness = min_sharpness
        self.register_buffer("threshold", torch.tensor(0.5))
        self.register_buffer("far", torch.tensor(float("nan")))
        self.identity_loss = create_identity_loss(
            loss, embedding, max(1, self.people_count), scale, margin
        )

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Embeddings of aligned faces.

        Args:
            images: uint8 of shape (batch, 3, height, width).

        Returns:
            One float tensor of shape (batch, embedding), each row of unit length.
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
        # Half precision is too coarse for angles, and `scatter` needs equal types.
        with torch.autocast(embeddings.device.type, enabled=False):
            loss: Tensor = self.identity_loss(embeddings, batch["person"])
        self.log("train/loss", loss, prog_bar=True)
        return self.refuse_non_finite(loss, batch)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """See `VisionTask.metric_names`."""
        return ("train/loss", *(f"val/{name}" for name in METRIC_NAMES))

    def new_metrics(self, split: str) -> VerificationMetrics:
        """See `VisionTask.new_metrics`."""
        return VerificationMetrics()

    def update_metrics(self, metrics: VerificationMetrics, batch: Batch) -> None:
        """Embed a batch; an image without a usable face has no embedding."""
        predictions = self.predict_step(batch, 0)
        for source, name, prediction in zip(
            batch["source"], batch["name"], predictions, strict=True
        ):
            assert isinstance(prediction, FacePrediction)
            metrics.add(source, name, prediction.embedding(0) if len(prediction) else None)

    def compute_metrics(self, metrics: VerificationMetrics, split: str) -> VerificationResult:
        """The result on the data module's pairs, which the batches do not know."""
        metrics.pairs = self._data.pairs(split)
        return metrics.compute()

    def after_validation(self, result: VerificationResult) -> None:
        """Set the threshold of the applications."""
        self.threshold.fill_(result.threshold)
        self.far.fill_(_VALIDATION_FAR)

    def options(self) -> dict[str, Any]:
        """Which faces are embedded, and the similarity from which two are one person's."""
        far = float(self.far)
        return {
            "min_face": self.min_face,
            "min_sharpness": self.min_sharpness,
            "threshold": round(float(self.threshold), 4),
            "far": None if far != far else round(far, 7),
            "embedding": self.embedding_size,
        }

    def describe_outputs(self) -> str:
        """See `VisionTask.describe_outputs`."""
        return f"{self.people_count} people"

    def fingerprint(self) -> str:
        """A hash of everything an embedding depends on; others' embeddings are incomparable."""
        context = f"{ALIGNMENT} {self.image_size} {self.flip_at_test}"
        return weights_digest(self.network, context)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add a digest of the people, without their names."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["visus"]["people"] = self._data.people_digest

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to resume with other people: the centre of one would become another's.

        Raises:
            VisusError: If training is resumed on data of other people.
        """
        super().on_load_checkpoint(checkpoint)
        resumed = self.trainer.state.fn == "fit"
        if resumed and checkpoint["visus"].get("people") != self._data.people_digest:
            raise VisusError(
                f"{self._data.root}: the people to train on are not those that this checkpoint was "
                "trained on; use the same data, or train a new model without --resume"
            )

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Those of the network, and the centres of the loss."""
        groups = super().parameter_groups()
        centres = list(self.identity_loss.parameters())
        if centres:
            rate, decay = self.learning_rate, self.weight_decay
            groups.append({"params": centres, "lr": rate, "weight_decay": decay})
        return groups

    @property
    def _data(self) -> Any:
        return self.trainer.datamodule  # type: ignore[attr-defined]
