"""Detection: bounding boxes with classes and scores, optionally with instance masks."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from visus.tasks.base import Batch, VisionTask
from visus.tasks.detection.data_info import DetectionInfo
from visus.tasks.detection.metrics import METRIC_NAMES, DetectionMetrics, DetectionResult
from visus.tasks.detection.networks import (
    Architecture,
    OneStageDetector,
    TwoStageDetector,
    create_detector,
)
from visus.tasks.detection.prediction import DetectionPrediction
from visus.vision.ranges import WIDTH, Range

_CHANNELS, _CHANNELS_OF_MASKS = 64, 128
"""Channels of the feature pyramid: masks gain from more of them, boxes hardly do."""


class DetectionTask(VisionTask):
    """Detect objects in an image.

    Args:
        data_info: Properties of the data; the command line takes them from the data module.
        architecture: `faster_rcnn` (two-stage, with masks) or `one_stage` (faster) on any
            backbone with feature maps of the strides 4 (one-stage: 8) to 32; their predecessors
            `fast_rcnn` and `rcnn`, with regions from selective search; or one of
            torchvision's detectors, which have their own backbone and COCO weights:
            `fasterrcnn_resnet50_fpn_v2`, `fasterrcnn_mobilenet_v3_large_fpn`.
        channels: Channels of the feature pyramid and of what follows it; 64 for `null`, and 128 for
            masks.
        proposals: Region proposals per image in the second stage of Faster R-CNN at inference; in
            that of Fast R-CNN and R-CNN always.
        strides: Strides of the one-stage detector's feature maps, finest first: 4, 8 and 16 suit
            small objects. Layers of the backbone beyond the last are removed. 8, 16 and 32 for
            `null`.
        shared_towers: Whether the levels of the one-stage detector share the convolutions of their
            towers: fewer parameters, which learn from objects of all sizes.
        kwargs: See `VisionTask`.

    Raises:
        VisusError: If an argument is out of range, or the backbone does not suit the architecture.
    """

    task = "detection"
    monitor = ("val/map", "max")
    ranges: ClassVar = {
        "channels": WIDTH,
        "proposals": Range(1, 100_000),
    }
    network: TwoStageDetector | OneStageDetector
    metrics: DetectionMetrics | None
    tested: DetectionResult | None
    threshold: Tensor

    def __init__(
        self,
        data_info: DetectionInfo | None = None,
        architecture: Architecture = "faster_rcnn",
        channels: int | None = None,
        proposals: int = 200,
        strides: list[int] | None = None,
        shared_towers: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_info=data_info, **kwargs)
        assert data_info is not None
        channels = channels or (_CHANNELS_OF_MASKS if data_info.masks else _CHANNELS)
        self.hparams["channels"] = channels
        self.network, (mean, std) = create_detector(
            architecture,
            num_classes=len(self.class_names),
            backbone=self.hparams["backbone"],
            in_channels=self.in_channels,
            pretrained=self.hparams["pretrained"],
            image_size=self.image_size,
            channels=channels,
            anchors=data_info.anchors,
            proposals=proposals,
            masks=data_info.masks,
            strides=strides,
            shared_towers=shared_towers,
            **(self.hparams["backbone_options"] or {}),
        )
        self.network.to(memory_format=torch.channels_last)
        self.set_normalisation(mean, std)
        self.masks = data_info.masks
        # Minimum score of the detections that applications show; validation chooses it.
        self.register_buffer("threshold", torch.tensor(0.5))

    @property
    def backbone(self) -> nn.Module:
        """See `VisionTask.backbone`."""
        return self.network.body

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Detect objects.

        Args:
            images: uint8 of shape (batch, in_channels, height, width).

        Returns:
            See `visus.tasks.detection.networks.outputs.Outputs`.
        """
        outputs: tuple[Tensor, ...] = self.network(self.normalise(images))
        return outputs

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The training loss of one batch."""
        targets = [{k: v.to(self.device) for k, v in t.items()} for t in batch["target"]]
        losses = self.network.losses(self.normalise(batch["image"]), targets)
        loss = torch.stack([value.float() for value in losses.values()]).sum()
        for name, value in losses.items():
            self.log(f"train/{name}", value)
        self.log("train/loss", loss, prog_bar=True)
        return self.refuse_non_finite(loss, batch)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """See `VisionTask.metric_names`."""
        masks = [f"mask_{name}" for name in METRIC_NAMES] if self.masks else []
        losses = [f"train/{name}" for name in self.network.loss_names]
        return ("train/loss", *losses, *(f"val/{name}" for name in (*METRIC_NAMES, *masks)))

    def new_metrics(self, split: str) -> DetectionMetrics:
        """See `VisionTask.new_metrics`."""
        return DetectionMetrics(tuple(self.class_names))

    def update_metrics(self, metrics: DetectionMetrics, batch: Batch) -> None:
        """See `VisionTask.update_metrics`."""
        predictions = self.postprocess(self(batch["image"]), batch["geometry"])
        samples = zip(batch["source"], predictions, batch["truth"], strict=True)
        for source, prediction, truth in samples:
            assert isinstance(prediction, DetectionPrediction)
            metrics.add(source, prediction, truth)

    def class_metrics(self, result: DetectionResult) -> dict[str, float]:
        """Average precision of each class."""
        metrics = {}
        for name, (ap, ap_50) in zip(self.class_names, result.by_class, strict=True):
            metrics[f"map/{name}"] = ap
            metrics[f"map_50/{name}"] = ap_50
        return metrics

    def after_validation(self, result: DetectionResult) -> None:
        """Set the score threshold to that of the best F1."""
        assert self.metrics is not None
        self.threshold.fill_(self.metrics.best_threshold())

    def options(self) -> dict[str, Any]:
        """See `VisionTask.options`."""
        return {"threshold": round(float(self.threshold), 2)}
