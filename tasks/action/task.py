"""Action recognition: labels for a clip."""

from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from visus.tasks.action.data_info import ActionInfo
from visus.tasks.action.metrics import ActionMetrics
from visus.tasks.action.networks import Architecture, Cell, ClipNetwork, Inputs, create_network
from visus.tasks.base import Batch, VisionTask
from visus.tasks.class_metrics import ClassificationResult
from visus.vision.errors import VisusError
from visus.vision.metadata import ModelMetadata
from visus.vision.ranges import PROBABILITY, WIDTH


class ActionTask(VisionTask):
    """Assign labels to a clip.

    Args:
        data_info: Properties of the data; the command line reads them from the data module.
        architecture: `tsn` averages the features of the frames, which ignores their order; `tsm`
            shifts features from frame to frame inside the backbone's residual blocks; `recurrent`
            applies a recurrent cell to the features of the frames; `r2plus1d` learns a temporal
            convolution in each residual block.
        inputs: What the backbone sees: the `frames`; the `differences` of each to the previous one,
            which show motion alone; or `both`, in two passes.
        cell: `gru` or `lstm`, for `recurrent`.
        hidden_size: Number of units of the cell.
        label_smoothing: Fraction of each target that is distributed over all classes.
        dropout: Dropout probability of the features before the last layer.
        kwargs: See `VisionTask`.

    Raises:
        VisusError: If an argument is out of range or does not suit the architecture.
    """

    task = "action"
    monitor = ("val/accuracy", "max")
    ranges: ClassVar = {
        "hidden_size": WIDTH,
        "label_smoothing": PROBABILITY,
        "dropout": PROBABILITY,
    }
    network: ClipNetwork
    tested: ClassificationResult | None

    def __init__(
        self,
        data_info: ActionInfo | None = None,
        architecture: Architecture = "tsm",
        inputs: Inputs = "frames",
        cell: Cell = "gru",
        hidden_size: int = 256,
        label_smoothing: float = 0.0,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_info=data_info, **kwargs)
        assert data_info is not None
        if architecture == "r2plus1d" and self.freeze_epochs < 0:
            raise VisusError(
                "model.freeze_epochs -1: the temporal convolutions of model.architecture r2plus1d "
                "lie inside the backbone, and would never be trained; use 0 or more"
            )
        self.frames = data_info.frames
        self.seconds = data_info.seconds
        self.multi_label = data_info.multi_label
        if self.multi_label:
            # Where labels are rare, answering none has a high accuracy.
            self.monitor = ("val/macro_f1", "max")
        self.label_smoothing = label_smoothing
        self.network, described = create_network(
            architecture,
            backbone=self.hparams["backbone"],
            classes=len(self.class_names),
            image_size=self.image_size,
            frames=data_info.frames,
            in_channels=self.in_channels,
            pretrained=self.hparams["pretrained"],
            inputs=inputs,
            cell=cell,
            hidden_size=hidden_size,
            dropout=dropout,
            backbone_options=self.hparams["backbone_options"],
        )
        self.network.to(memory_format=torch.channels_last)
        self.set_normalisation(described.mean, described.std)

    def forward(self, images: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Class logits of clips, or after one more frame of streams, which is what is exported.

        Args:
            images: Clips, uint8 of shape (batch, frames, in_channels, height, width); or frames,
                (batch, in_channels, height, width).
            state: With frames: the state that the previous call returned, or
                `ClipNetwork.initial_state`.

        Returns:
            Logits of shape (batch, classes); with frames the new state after them.
        """
        if images.ndim == 5:
            return (self.network(self.normalise(images)),)
        logits, new_state = self.network.step(self.normalise(images), state)
        return (logits, *new_state)

    def normalise(self, images: Tensor) -> Tensor:
        """Normalise uint8 frames or clips."""
        if images.ndim == 4:
            return super().normalise(images)
        return super().normalise(images.flatten(0, 1)).reshape(images.shape)

    def encode(self, images: Tensor) -> Tensor:
        """Features of uint8 clips, of shape (batch, frames, size)."""
        return self.network.encode(self.normalise(images))

    def feature_fingerprint(self) -> str | None:
        """See `VisionTask.feature_fingerprint`; layers without weights depend on the arguments."""
        if any(True for _ in self.network.neck.parameters()):
            # They are trained although the backbone is frozen.
            return None
        weights = super().feature_fingerprint()
        return weights and f"{weights} {self.hparams['architecture']} {self.hparams['inputs']}"

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The training loss of one batch."""
        if "features" in batch:
            logits = self.network.classify(batch["features"].float())
        else:
            logits = self.network(self.normalise(batch["image"])).float()
        if self.multi_label:
            smooth = self.label_smoothing
            targets = batch["labels"].float() * (1 - smooth) + smooth / 2
            loss = F.binary_cross_entropy_with_logits(logits, targets)
        else:
            loss = F.cross_entropy(logits, batch["label"], label_smoothing=self.label_smoothing)
        self.log("train/loss", loss, prog_bar=True)
        return self.refuse_non_finite(loss, batch)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """See `VisionTask.metric_names`."""
        names = ["loss", "accuracy", "macro_f1", "calibration_error"]
        if self.multi_label:
            names.append("map")
        elif len(self.class_names) > 5:
            names.append("top5_accuracy")
        return ("train/loss", *(f"val/{name}" for name in names))

    def new_metrics(self, split: str) -> ActionMetrics:
        """See `VisionTask.new_metrics`."""
        return ActionMetrics(len(self.class_names), self.multi_label)

    def update_metrics(self, metrics: ActionMetrics, batch: Batch) -> None:
        """See `VisionTask.update_metrics`."""
        logits = self(batch["image"])[0].float()
        scores = logits.sigmoid() if self.multi_label else logits.softmax(1)
        labels = batch["labels" if self.multi_label else "label"]
        metrics.update(batch["clip"], scores.cpu().numpy(), labels.cpu().numpy())

    @property
    def metadata(self) -> ModelMetadata:
        """See `VisionTask.metadata`."""
        return replace(super().metadata, state_shapes=self.network.state_shapes)

    def options(self) -> dict[str, Any]:
        """See `VisionTask.options`."""
        return {
            "multi_label": self.multi_label,
            "frames": self.frames,
            "seconds": self.seconds,
        }
