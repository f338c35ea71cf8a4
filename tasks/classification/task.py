"""Classification: one or several labels for a picture."""

from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import ConfusionMatrix, MeanMetric, Metric, MetricCollection
from torchmetrics.classification import (
    BinaryCalibrationError,
    MulticlassAccuracy,
    MulticlassCalibrationError,
    MulticlassF1Score,
    MultilabelAccuracy,
    MultilabelF1Score,
)
from torchvision.transforms.v2 import CutMix, MixUp, RandomChoice

from visus.models.backbones.classifier import create_classifier
from visus.tasks.base import VisionTask
from visus.vision.errors import VisusError
from visus.vision.resize import FitMode

Batch = dict[str, Any]


class ClassificationTask(VisionTask):
    """Name what a picture shows.

    Args:
        backbone: A name from `visus backbones`.
        pretrained: `true` for ImageNet weights, or the path of a weights file.
        backbone_options: For our own networks: activation, init, width.
        class_names: See `VisionTask`; the command line takes it from the data.
        image_size: See `VisionTask`; the command line takes it from the data.
        in_channels: See `VisionTask`; the command line takes it from the data.
        fit_mode: See `VisionTask`; the command line takes it from the data.
        multi_label: Whether a picture may belong to several classes; from the data.
        class_counts: Training pictures of each class; from the data.
        class_weights: `balanced` weighs classes by the inverse of their counts, `auto` does so
            where the largest class has at least 1.5 times the pictures of the smallest.
        label_smoothing: Share of each target that is spread over all classes.
        mixup: Alpha of mixup (Zhang et al. 2018); 0 for none.
        cutmix: Alpha of CutMix (Yun et al. 2019); 0 for none. With both, one of them a batch.
        dropout: Share of the features dropped before the last layer.
        l1: Weight of the sum of absolute weights in the loss.
        flip_at_test: Average the logits of a picture and its mirror image.
        learning_rate: See `VisionTask`.
        backbone_learning_rate: See `VisionTask`.
        weight_decay: See `VisionTask`.
        warmup: See `VisionTask`.
        freeze_epochs: See `VisionTask`.
        freeze_batch_norm: See `VisionTask`.
    """

    class_weights: Tensor | None
    task = "classification"
    monitor = ("val/accuracy", "max")

    def __init__(
        self,
        backbone: str = "tf_efficientnet_lite0",
        pretrained: bool | str = False,
        backbone_options: dict[str, str | int] | None = None,
        class_names: list[str] | None = None,
        image_size: tuple[int, int] = (224, 224),
        in_channels: int = 3,
        fit_mode: FitMode = "crop",
        multi_label: bool = False,
        class_counts: list[int] | None = None,
        class_weights: Literal["auto", "balanced", "none"] = "auto",
        label_smoothing: float = 0.0,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        dropout: float = 0.0,
        l1: float = 0.0,
        flip_at_test: bool = False,
        learning_rate: float = 1e-3,
        backbone_learning_rate: float | None = None,
        weight_decay: float = 0.05,
        warmup: float = 0.1,
        freeze_epochs: int = 0,
        freeze_batch_norm: bool = False,
    ) -> None:
        class_names = class_names or []
        for name, value in (("mixup", mixup), ("cutmix", cutmix), ("l1", l1)):
            if value < 0:
                raise VisusError(f"model.{name} {value} must not be negative; 0 for none")
        super().__init__(
            class_names,
            image_size,
            in_channels,
            fit_mode,
            learning_rate,
            backbone_learning_rate,
            weight_decay,
            warmup,
            freeze_epochs,
            freeze_batch_norm,
        )
        self.save_hyperparameters(logger=False)
        self.multi_label = multi_label
        self.label_smoothing = label_smoothing
        self.l1 = l1
        self.flip_at_test = flip_at_test
        self.network, described = create_classifier(
            backbone,
            len(class_names),
            in_channels,
            pretrained,
            self.image_size,
            dropout,
            **(backbone_options or {}),
        )
        self.network.to(memory_format=torch.channels_last)
        self.set_normalisation(described.mean, described.std)
        weights = loss_weights(class_counts, class_weights)
        self.register_buffer("class_weights", weights, persistent=False)
        mixes = [
            mix(alpha=alpha, num_classes=len(class_names))
            for mix, alpha in ((MixUp, mixup), (CutMix, cutmix))
            if alpha > 0
        ]
        self.mix = RandomChoice(mixes) if mixes else None
        self.val_metrics = self._metrics().clone(prefix="val/")
        self.test_metrics = self._metrics().clone(prefix="test/")
        self.tested: NDArray[Any] | None = None
        self.confusion = ConfusionMatrix(
            "multilabel" if multi_label else "multiclass",
            num_classes=len(class_names),
            num_labels=len(class_names),
        )

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Class logits.

        Args:
            images: uint8 of shape (batch, in_channels, height, width).

        Returns:
            One float tensor of shape (batch, classes).
        """
        inputs = self.normalise(images)
        logits = self.network(inputs)
        if self.flip_at_test and not self.training:
            logits = (logits + self.network(inputs.flip(3))) / 2
        return (logits,)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch."""
        images, labels = self.normalise(batch["image"]), batch["label"]
        if self.mix is not None:
            images, labels = self.mix(images, labels)
        loss = self._loss(self.network(images).float(), labels, self.class_weights)
        if self.l1:
            loss = loss + self.l1 * sum(p.abs().sum() for p in self.parameters() if p.ndim > 1)
        self.log("train/loss", loss, prog_bar=True)
        return self.refuse_non_finite(loss, batch)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count one batch towards the validation figures."""
        self._evaluate(batch, self.val_metrics)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Count one batch towards the test figures and the confusion matrix."""
        logits = self._evaluate(batch, self.test_metrics)
        scores = logits.sigmoid() if self.multi_label else logits
        self.confusion.update(scores, batch["label"].long())

    def on_validation_epoch_end(self) -> None:
        """Log the validation figures, gathered over all processes."""
        self._log_metrics(self.val_metrics)

    def on_test_epoch_end(self) -> None:
        """Log the test figures, gathered over all processes, and keep the confusion matrix."""
        self._log_metrics(self.test_metrics)
        self.tested = self.confusion.compute().cpu().numpy()

    def options(self) -> dict[str, Any]:
        """Whether scores are independent."""
        return {"multi_label": self.multi_label}

    def _evaluate(self, batch: Batch, metrics: MetricCollection) -> Tensor:
        logits: Tensor = self(batch["image"])[0].float()
        labels = batch["label"]
        # Without class weights: a weighted mean would depend on how samples fall into batches.
        loss = self._loss(logits, labels, None)
        scores = logits.sigmoid() if self.multi_label else logits.softmax(1)
        for name, metric in metrics.items(keep_base=True):
            if name == "loss":
                metric.update(loss, weight=len(labels))
            elif isinstance(metric, BinaryCalibrationError):
                metric.update(scores.flatten(), labels.flatten().long())
            else:
                metric.update(scores, labels.long())
        return logits

    def _log_metrics(self, metrics: MetricCollection) -> None:
        for name, value in metrics.compute().items():
            self.log(name, value, prog_bar=name == self.monitor[0])
        metrics.reset()

    def _loss(self, logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        if self.multi_label:
            targets = labels.float() * (1 - self.label_smoothing) + self.label_smoothing / 2
            return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weights)
        return F.cross_entropy(logits, labels, weights, label_smoothing=self.label_smoothing)

    def _metrics(self) -> MetricCollection:
        classes = len(self.class_names)
        metrics: dict[str, Metric | MetricCollection] = {"loss": MeanMetric()}
        if self.multi_label:
            metrics["accuracy"] = MultilabelAccuracy(classes)
            metrics["macro_f1"] = MultilabelF1Score(classes, average="macro")
            metrics["calibration_error"] = BinaryCalibrationError(n_bins=15)
        else:
            metrics["accuracy"] = MulticlassAccuracy(classes, average="micro")
            metrics["macro_f1"] = MulticlassF1Score(classes, average="macro")
            metrics["calibration_error"] = MulticlassCalibrationError(classes, n_bins=15)
            if classes > 5:
                metrics["top5_accuracy"] = MulticlassAccuracy(classes, average="micro", top_k=5)
        return MetricCollection(metrics, compute_groups=False)


def loss_weights(
    counts: list[int] | None, mode: Literal["auto", "balanced", "none"]
) -> Tensor | None:
    """Weights of the classes in the loss, inverse to their counts, with a mean of 1 a picture.

    Args:
        counts: Training pictures of each class; None where they are unknown.
        mode: See `ClassificationTask`.

    Returns:
        float of shape (classes,), or None for equal weights.
    """
    if not counts or mode == "none" or min(counts) == 0:
        return None
    if mode == "auto" and max(counts) < 1.5 * min(counts):
        return None
    values = torch.tensor(counts, dtype=torch.float)
    return values.sum() / (len(counts) * values)
