"""Semantic segmentation: a class for every pixel."""

from typing import Any, Literal

import torch
from torch import Tensor

from visus.tasks.base import VisionTask, gather_objects
from visus.tasks.segmentation.metrics import Scores, SegmentationMetrics
from visus.tasks.segmentation.networks import (
    LOSSES,
    Architecture,
    Upsampling,
    create_segmenter,
    segmentation_losses,
)
from visus.tasks.segmentation.networks.losses import balancing_weights
from visus.tasks.segmentation.prediction import SegmentationPrediction
from visus.vision.colours import Colour
from visus.vision.errors import VisusError
from visus.vision.metadata import ResizeMode

Batch = dict[str, Any]


class SegmentationTask(VisionTask):
    """Name every pixel of an image.

    Args:
        architecture: `fcn`, `unet` or `deeplabv3plus` on any backbone, or one of torchvision's own
            segmenters: `fcn_resnet50`, `deeplabv3_mobilenet_v3_large`.
        backbone: A name from `visus backbones`; torchvision's own segmenters bring theirs.
        pretrained: `true` for ImageNet weights, for torchvision's own segmenters those trained on
            COCO; or the path of a weights file.
        channels: Width of the heads of `unet` and `deeplabv3plus`.
        finest_stride: Of `fcn`, the stride of the finest feature map that votes, 8 as in the paper;
            4 or 2 sharpen outlines.
        upsampling: How coarse logits come to every pixel: `bilinear`, or `joint_bilateral`, which
            follows the image's own edges (`fcn` and `deeplabv3plus`).
        class_names: See `VisionTask`; the command line takes it from the data.
        image_size: See `VisionTask`; the command line takes it from the data.
        in_channels: See `VisionTask`; the command line takes it from the data.
        resize_mode: See `VisionTask`; the command line takes it from the data.
        class_counts: Training pixels of each class; from the data.
        class_colours: (red, green, blue) to draw each class with; from the data.
        losses: The share of each loss in what is learnt: `cross_entropy`, `focal`, `dice`; by
            default `{cross_entropy: 1}`.
        class_weights: `balanced` makes pixels of rare classes count more in `cross_entropy` and
            `focal`; in `dice` all classes count alike anyway.
        flip_at_test: Average the logits of an image and its mirror image.
        learning_rate: See `VisionTask`.
        backbone_learning_rate: See `VisionTask`.
        weight_decay: See `VisionTask`.
        warmup: See `VisionTask`.
        freeze_epochs: See `VisionTask`.
        freeze_batch_norm: See `VisionTask`.
    """

    task = "segmentation"
    monitor = ("val/miou", "max")
    class_weights: Tensor | None

    def __init__(
        self,
        architecture: Architecture = "unet",
        backbone: str = "tf_efficientnet_lite0",
        pretrained: bool | str = False,
        channels: int = 128,
        finest_stride: int = 8,
        upsampling: Upsampling = "bilinear",
        class_names: list[str] | None = None,
        image_size: tuple[int, int] = (256, 256),
        in_channels: int = 3,
        resize_mode: ResizeMode = "letterbox",
        class_counts: list[int] | None = None,
        class_colours: list[Colour] | None = None,
        losses: dict[str, float] | None = None,
        class_weights: Literal["none", "balanced"] = "none",
        flip_at_test: bool = False,
        learning_rate: float = 1e-3,
        backbone_learning_rate: float | None = None,
        weight_decay: float = 0.01,
        warmup: float = 0.05,
        freeze_epochs: int = 0,
        freeze_batch_norm: bool = False,
    ) -> None:
        class_names = class_names or []
        losses = losses or {"cross_entropy": 1.0}
        _check_losses(losses)
        if channels < 1:
            raise VisusError(f"model.channels {channels} must be at least 1")
        if resize_mode == "crop":
            raise VisusError("data.resize_mode crop leaves pixels without a class; use letterbox")
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
        self.network, (mean, std) = create_segmenter(
            architecture,
            len(class_names),
            backbone,
            in_channels,
            pretrained,
            self.image_size,
            channels,
            finest_stride,
            upsampling,
        )
        self.network.to(memory_format=torch.channels_last)
        self.set_normalisation(mean, std)
        self.losses = losses
        self.class_colours = class_colours
        self.flip_at_test = flip_at_test
        if class_weights == "balanced" and class_counts is None:
            raise VisusError(
                "model.class_weights balanced: these data do not count their pixels; use none"
            )
        weights = balancing_weights(class_counts or []) if class_weights == "balanced" else None
        self.register_buffer("class_weights", weights, persistent=False)
        self.collected = SegmentationMetrics(tuple(class_names))
        self.tested: tuple[SegmentationMetrics, Scores] | None = None

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """How sure each place is of each class.

        Args:
            images: uint8 of shape (batch, in_channels, height, width).

        Returns:
            Logits of shape (batch, classes, rows, columns), which cover the image, perhaps at
            a coarser resolution.
        """
        normalised = self.normalise(images)
        logits: Tensor = self.network(normalised)
        if self.flip_at_test and not self.training:
            logits = (logits + self.network(normalised.flip(3)).flip(3)) / 2
        return (logits,)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch."""
        if self.hparams["architecture"] == "deeplabv3plus":
            _check_deeplab_batch(batch["image"])
        logits = self.network(self.normalise(batch["image"]))
        parts = segmentation_losses(logits, batch["mask"], self.losses, self.class_weights)
        loss = torch.stack(list(parts.values())).sum()
        for name, value in parts.items():
            self.log(f"train/{name}", value)
        self.log("train/loss", loss, prog_bar=True)
        return self.refuse_non_finite(loss, batch)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Compare one batch's predictions with their truth."""
        self._collect(batch)

    def on_test_epoch_start(self) -> None:
        """Measure boundaries too, and keep what the report shows."""
        self.collected = SegmentationMetrics(tuple(self.class_names), thorough=True)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Compare one batch's predictions with their truth."""
        self._collect(batch)

    def on_validation_epoch_end(self) -> None:
        """Log the figures over all processes."""
        self._finish("val")

    def on_test_epoch_end(self) -> None:
        """Log the figures over all processes, and those of each class."""
        self.tested = self._finish("test")
        scores = self.tested[1]
        for name, iou, f1 in zip(self.class_names, scores.iou, scores.boundary_f1, strict=True):
            self.log(f"test/miou/{name}", float(iou))
            self.log(f"test/boundary_f1/{name}", float(f1))

    def options(self) -> dict[str, Any]:
        """The classes' colours, where the data set names some."""
        return {"colours": self.class_colours} if self.class_colours else {}

    def _collect(self, batch: Batch) -> None:
        predictions = self.predict_step(batch, 0)
        for source, found, truth in zip(batch["source"], predictions, batch["truth"], strict=True):
            assert isinstance(found, SegmentationPrediction)
            self.collected.add(source, found, truth)

    def _finish(self, split: str) -> tuple[SegmentationMetrics, Scores]:
        """Score what all processes collected, log the figures, and begin anew."""
        names = tuple(self.class_names)
        collected = SegmentationMetrics(names, True, gather_objects(self.collected.records))
        scores = collected.compute()
        for name, value in scores.figures.items():
            self.log(f"{split}/{name}", value, prog_bar=f"{split}/{name}" == self.monitor[0])
        self.collected = SegmentationMetrics(names)
        return collected, scores


def _check_deeplab_batch(images: Tensor) -> None:
    if len(images) == 1:
        raise VisusError(
            "deeplabv3plus cannot learn from a batch of one image: it pools each into one "
            "value, of which batch norm needs two; set data.batch_size to 2 or more"
        )
    height, width = images.shape[2:]
    if height % 16 or width % 16:
        raise VisusError(f"data.crop_size [{height}, {width}]: deeplabv3plus needs multiples of 16")


def _check_losses(losses: dict[str, float]) -> None:
    unknown = [name for name in losses if name not in LOSSES]
    if unknown:
        raise VisusError(f"model.losses {unknown[0]!r} is unknown; choose from {', '.join(LOSSES)}")
    if any(share < 0 for share in losses.values()) or not sum(losses.values()):
        raise VisusError(f"model.losses {losses}: shares must not be negative, and not all zero")
