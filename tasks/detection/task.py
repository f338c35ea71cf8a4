"""Object detection: boxes around things, with their names, and perhaps their pixels."""

from typing import Any

import torch
from torch import Tensor

from visus.tasks.base import VisionTask, gather_objects
from visus.tasks.detection.metrics import DetectionMetrics, Scores
from visus.tasks.detection.networks import (
    Architecture,
    OneStageDetector,
    TwoStageDetector,
    create_detector,
)
from visus.tasks.detection.prediction import DetectionPrediction
from visus.vision.errors import VisusError
from visus.vision.metadata import ResizeMode

Batch = dict[str, Any]


class DetectionTask(VisionTask):
    """Find things in an image.

    Args:
        architecture: `faster_rcnn` (two-stage) or `one_stage` (faster) on any backbone, or one of
            torchvision's own detectors: `fasterrcnn_resnet50_fpn_v2`,
            `fasterrcnn_mobilenet_v3_large_fpn`.
        backbone: A name from `visus backbones`, with feature maps of the strides 4 (one-stage: 8)
            to 32; torchvision's own detectors bring theirs.
        pretrained: `true` for ImageNet weights, for torchvision's own detectors COCO weights; or
            the path of a weights file.
        channels: Channels of the feature pyramid.
        proposals: Regions an image that the second stage of Faster R-CNN looks at.
        class_names: See `VisionTask`; the command line takes it from the data.
        image_size: See `VisionTask`; the command line takes it from the data.
        in_channels: See `VisionTask`; the command line takes it from the data.
        resize_mode: See `VisionTask`; the command line takes it from the data.
        anchors: Shapes of the anchors of Faster R-CNN; from the data, with `data.anchors auto`.
        masks: Whether to find pixels too (Mask R-CNN); from the data.
        strides: Of the maps that the one-stage detector looks at, finest first: 4, 8 and 16 where
            things are small. Nothing of the backbone beyond the last is kept. 8, 16 and 32 for
            `null`.
        learning_rate: See `VisionTask`.
        backbone_learning_rate: See `VisionTask`.
        weight_decay: See `VisionTask`.
        warmup: See `VisionTask`.
        freeze_epochs: See `VisionTask`.
        freeze_batch_norm: See `VisionTask`.
    """

    task = "detection"
    monitor = ("val/map", "max")
    threshold: Tensor
    network: TwoStageDetector | OneStageDetector

    def __init__(
        self,
        architecture: Architecture = "faster_rcnn",
        backbone: str = "tf_efficientnet_lite0",
        pretrained: bool | str = False,
        channels: int = 128,
        proposals: int = 200,
        class_names: list[str] | None = None,
        image_size: tuple[int, int] = (320, 320),
        in_channels: int = 3,
        resize_mode: ResizeMode = "letterbox",
        anchors: list[list[list[float]]] | None = None,
        masks: bool = False,
        strides: list[int] | None = None,
        learning_rate: float = 4e-4,
        backbone_learning_rate: float | None = None,
        weight_decay: float = 0.05,
        warmup: float = 0.05,
        freeze_epochs: int = 0,
        freeze_batch_norm: bool = True,
    ) -> None:
        class_names = class_names or []
        if channels < 1 or proposals < 1:
            raise VisusError(
                f"model.channels {channels} and model.proposals {proposals} must be at least 1"
            )
        super().__init__(
            class_names,
            image_size,
            in_channels,
            resize_mode,
            learning_rate,
            backbone_learning_rate,
            weight_decay,
            warmup,
            freeze_epochs,
            freeze_batch_norm,
        )
        self.save_hyperparameters(logger=False)
        self.network, (mean, std) = create_detector(
            architecture,
            len(class_names),
            backbone,
            in_channels,
            pretrained,
            self.image_size,
            channels,
            anchors,
            proposals,
            masks,
            strides,
        )
        self.network.to(memory_format=torch.channels_last)
        self.set_normalisation(mean, std)
        # Of what is found, applications show what reaches this; set where validation does best.
        self.register_buffer("threshold", torch.tensor(0.5))
        self.collected = DetectionMetrics(tuple(class_names))
        self.tested: tuple[DetectionMetrics, Scores] | None = None

    @property
    def body(self) -> torch.nn.Module:
        """See `VisionTask.body`."""
        return self.network.body

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """What is found.

        Args:
            images: uint8 of shape (batch, in_channels, height, width).

        Returns:
            See `visus.tasks.detection.networks.outputs.Outputs`.
        """
        outputs: tuple[Tensor, ...] = self.network(self.normalise(images))
        return outputs

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch."""
        targets = [{k: v.to(self.device) for k, v in t.items()} for t in batch["target"]]
        losses = self.network.losses(self.normalise(batch["image"]), targets)
        loss = torch.stack([value.float() for value in losses.values()]).sum()
        for name, value in losses.items():
            self.log(f"train/{name}", value)
        self.log("train/loss", loss, prog_bar=True)
        return self.refuse_non_finite(loss, batch)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep one batch's predictions with their truth."""
        self._collect(batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep one batch's predictions with their truth."""
        self._collect(batch)

    def on_validation_epoch_end(self) -> None:
        """Log COCO's figures over all processes; show detections from where they do best."""
        collected, _ = self._finish("val")
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            self.threshold.fill_(collected.best_threshold())

    def on_test_epoch_end(self) -> None:
        """Log COCO's figures over all processes, and those of each class."""
        collected, scores = self._finish("test")
        self.tested = collected, scores
        for name, (ap, ap_50) in zip(self.class_names, scores.by_class, strict=True):
            self.log(f"test/map/{name}", ap)
            self.log(f"test/map_50/{name}", ap_50)

    def options(self) -> dict[str, Any]:
        """From which score on detections are shown."""
        return {"threshold": round(float(self.threshold), 2)}

    def _collect(self, batch: Batch) -> None:
        predictions = self.predict_step(batch, 0)
        for source, found, truth in zip(batch["source"], predictions, batch["truth"], strict=True):
            assert isinstance(found, DetectionPrediction)
            self.collected.add(source, found, truth)

    def _finish(self, split: str) -> tuple[DetectionMetrics, Scores]:
        """Score what all processes collected, log the figures, and begin anew."""
        names = tuple(self.class_names)
        collected = DetectionMetrics(names, gather_objects(self.collected.records))
        scores = collected.compute()
        for name, value in scores.figures.items():
            self.log(f"{split}/{name}", value, prog_bar=f"{split}/{name}" == self.monitor[0])
        self.collected = DetectionMetrics(names)
        return collected, scores
