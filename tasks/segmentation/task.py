"""Semantic segmentation: a class for every pixel."""

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from visus.tasks.base import Batch, VisionTask
from visus.tasks.segmentation.data_info import SegmentationInfo
from visus.tasks.segmentation.metrics import SegmentationMetrics, SegmentationResult
from visus.tasks.segmentation.networks import (
    LOSSES,
    Architecture,
    Refinement,
    Upsampling,
    create_segmenter,
    segmentation_losses,
)
from visus.tasks.segmentation.networks.losses import balanced_class_weights
from visus.tasks.segmentation.prediction import SegmentationPrediction
from visus.vision.errors import VisusError
from visus.vision.ranges import NOT_NEGATIVE, WIDTH


class SegmentationTask(VisionTask):
    """Assign a class to every pixel of an image.

    Args:
        data_info: Properties of the data; the command line takes them from the data module.
        architecture: `fcn`, `unet` or `deeplabv3plus` on any backbone, or a segmenter of
            torchvision's: `fcn_resnet50`, `deeplabv3_mobilenet_v3_large`, which have their own
            backbone, and for which `pretrained: true` loads weights trained on COCO.
        channels: Width of the heads of `unet` and `deeplabv3plus`.
        finest_stride: Stride of the finest feature map that `fcn` uses: 8 as in the paper; 4 or 2
            for sharper outlines.
        upsampling: How coarse logits are upsampled: `bilinear`, or `joint_bilateral`, which follows
            the image's edges (`fcn` and `deeplabv3plus`).
        refine: `mrf` refines the logits by a Markov random field, as convolution layers that are
            trained with the rest (Liu et al. 2015).
        losses: Factor of each loss in the training loss: `cross_entropy`, `focal`, `dice`;
            `{cross_entropy: 1}` by default.
        class_weights: `balanced` gives pixels of rare classes a larger weight in `cross_entropy`
            and `focal`; in `dice` all classes have equal weight.
        flip_at_test: Average the logits of an image and its mirror image, unless the data say that
            a mirror image is of another class.
        kwargs: See `VisionTask`.

    Raises:
        VisusError: If an argument is not allowed, or arguments cannot be combined.
    """

    task = "segmentation"
    monitor = ("val/miou", "max")
    ranges: ClassVar = {
        "channels": WIDTH,
        "losses": NOT_NEGATIVE,
    }
    class_weights: Tensor | None
    tested: SegmentationResult | None

    def __init__(
        self,
        data_info: SegmentationInfo | None = None,
        architecture: Architecture = "unet",
        channels: int = 128,
        finest_stride: int = 8,
        upsampling: Upsampling = "bilinear",
        refine: Refinement = "none",
        losses: dict[str, float] | None = None,
        class_weights: Literal["none", "balanced"] = "none",
        flip_at_test: bool = False,
        **kwargs: Any,
    ) -> None:
        losses = losses or {"cross_entropy": 1.0}
        _check_losses(losses)
        super().__init__(data_info=data_info, **kwargs)
        assert data_info is not None
        if self.resize_mode == "crop":
            raise VisusError("data.resize_mode crop leaves pixels without a class; use letterbox")
        self.network, (mean, std) = create_segmenter(
            architecture,
            num_classes=len(self.class_names),
            backbone=self.hparams["backbone"],
            in_channels=self.in_channels,
            pretrained=self.hparams["pretrained"],
            image_size=self.image_size,
            channels=channels,
            finest_stride=finest_stride,
            upsampling=upsampling,
            backbone_options=self.hparams["backbone_options"],
            refine=refine,
        )
        self.network.to(memory_format=torch.channels_last)
        self.set_normalisation(mean, std)
        self.architecture = architecture
        self.losses = losses
        self.class_colours = data_info.class_colours
        self.flip_at_test = flip_at_test and data_info.mirrors
        weights = None
        if class_weights == "balanced":
            if data_info.class_counts is None:
                raise VisusError(
                    "model.class_weights balanced: these data do not count their pixels; use none"
                )
            weights = balanced_class_weights(data_info.class_counts)
        self.register_buffer("class_weights", weights, persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Class logits.

        Args:
            images: uint8 of shape (batch, in_channels, height, width).

        Returns:
            One float tensor of shape (batch, classes, rows, columns), which covers the images, of
            their resolution or a coarser one.
        """
        inputs = self.normalise(images)
        logits: Tensor = self.network(inputs)
        if self.flip_at_test and not self.training:
            logits = (logits + self.network(inputs.flip(3)).flip(3)) / 2
        return (logits,)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch."""
        if self.architecture.startswith("deeplabv3"):
            _check_deeplab_batch(self.architecture, batch["image"])
        logits = self.network(self.normalise(batch["image"]))
        parts = segmentation_losses(logits, batch["mask"], self.losses, self.class_weights)
        loss = torch.stack(list(parts.values())).sum()
        for name, value in parts.items():
            self.log(f"train/{name}", value)
        self.log("train/loss", loss, prog_bar=True)
        return self.refuse_non_finite(loss, batch)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """See `VisionTask.metric_names`."""
        losses = [f"train/{name}" for name in self.losses]
        return ("train/loss", *losses, "val/miou", "val/pixel_accuracy")

    def new_metrics(self, split: str) -> SegmentationMetrics:
        """See `VisionTask.new_metrics`; boundaries are measured at test only."""
        return SegmentationMetrics(len(self.class_names), thorough=split == "test")

    def update_metrics(self, metrics: SegmentationMetrics, batch: Batch) -> None:
        """See `VisionTask.update_metrics`."""
        predictions = self.predict_step(batch, 0)
        samples = zip(batch["source"], predictions, batch["truth"], strict=True)
        for source, prediction, true_mask in samples:
            assert isinstance(prediction, SegmentationPrediction)
            metrics.update(source, prediction, true_mask)

    def class_metrics(self, result: SegmentationResult) -> dict[str, float]:
        """IoU and boundary F1 of each class."""
        metrics = {}
        for i, name in enumerate(self.class_names):
            metrics[f"miou/{name}"] = float(result.iou[i])
            metrics[f"boundary_f1/{name}"] = float(result.boundary_f1[i])
        return metrics

    def options(self) -> dict[str, Any]:
        """The colours of the classes, where the data define them."""
        if not self.class_colours:
            return {}
        return {"colours": [list(colour) for colour in self.class_colours]}


def _check_deeplab_batch(architecture: str, images: Tensor) -> None:
    """Refuse training batches that DeepLabV3 and DeepLabV3+ cannot compute."""
    if len(images) == 1:
        raise VisusError(
            f"{architecture} cannot be trained on a batch of one image: batch norm needs two "
            "values, and global pooling leaves one of each image; set data.batch_size to 2 or more"
        )
    height, width = images.shape[2:]
    if architecture == "deeplabv3plus" and (height % 16 or width % 16):
        raise VisusError(f"data.crop_size [{height}, {width}]: deeplabv3plus needs multiples of 16")


def _check_losses(losses: dict[str, float]) -> None:
    unknown = [name for name in losses if name not in LOSSES]
    if unknown:
        raise VisusError(f"model.losses {unknown[0]!r} is unknown; choose from {', '.join(LOSSES)}")
    if not sum(losses.values()):
        raise VisusError(f"model.losses {losses}: give factors that are not all zero")
