"""The task: a backbone, and a linear layer that predicts three numbers."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from visus.models.backbones.classifier import create_classifier
from visus.tasks.base import Batch, VisionTask
from visus.tasks.data_info import InputInfo
from visus.vision.ranges import PROBABILITY


@dataclass(frozen=True)
class Result:
    """The metrics of one evaluation."""

    metrics: dict[str, float]


@dataclass
class MeanColourMetrics:
    """Absolute errors of all images.

    Attributes:
        records: One error an image, mean over the channels.
    """

    records: list[float] = field(default_factory=list)

    def compute(self) -> Result:
        """The mean absolute error, 0 to 1."""
        return Result({"mae": sum(self.records) / max(1, len(self.records))})


class MeanColourTask(VisionTask):
    """Predict the mean colour of an image.

    Args:
        data_info: Properties of the data; the command line takes them from the data module.
        dropout: Probability that a feature is dropped before the last layer in training.
        kwargs: See `VisionTask`.
    """

    task = "mean_colour"
    monitor = ("val/mae", "min")
    ranges: ClassVar = {"dropout": PROBABILITY}

    def __init__(
        self, data_info: InputInfo | None = None, dropout: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(data_info=data_info, **kwargs)
        self.network, described = create_classifier(
            self.hparams["backbone"],
            3,
            self.in_channels,
            self.hparams["pretrained"],
            self.image_size,
            dropout,
        )
        self.set_normalisation(described.mean, described.std)

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Colours of shape (batch, 3), 0 to 1, of uint8 images (batch, 3, height, width)."""
        return (torch.sigmoid(self.network(self.normalise(images))),)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The mean squared error of one batch."""
        loss = F.mse_loss(self(batch["image"])[0], batch["colour"])
        self.log("train/loss", loss, prog_bar=True)
        return self.refuse_non_finite(loss, batch)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """See `VisionTask.metric_names`."""
        return ("train/loss", "val/mae")

    def new_metrics(self, split: str) -> MeanColourMetrics:
        """See `VisionTask.new_metrics`."""
        return MeanColourMetrics()

    def update_metrics(self, metrics: MeanColourMetrics, batch: Batch) -> None:
        """See `VisionTask.update_metrics`."""
        errors = (self(batch["image"])[0] - batch["colour"]).abs().mean(1)
        metrics.records += errors.tolist()

    def describe_outputs(self) -> str:
        """See `VisionTask.describe_outputs`."""
        return "one colour"
