"""Base class of all tasks: normalisation, prediction, optimiser, schedule, freezing."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from visus.models.channels import ChannelPlan
from visus.models.weights_digest import weights_digest
from visus.tasks.data_info import InputInfo
from visus.tasks.evaluation import Batch as Batch
from visus.tasks.evaluation import EvaluatedModule
from visus.tasks.optimisation import ProgressSchedule, freeze, group_parameters
from visus.tasks.plain_values import plain
from visus.tasks.ranges import COMMON_RANGES, ranges_of
from visus.tasks.registry import task_spec
from visus.tasks.spec import TaskSpec
from visus.vision.errors import VisusError
from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Prediction
from visus.vision.ranges import Range, check_ranges
from visus.vision.seeding import derive_seed, run_seed


class VisionTask(EvaluatedModule):
    """A network with its training, evaluation and prediction.

    A subclass builds `self.network` and calls `self.set_normalisation`; `forward` takes uint8
    images and returns a tuple of tensors, and is exactly what is exported.

    Args:
        data_info: Properties of the data; the command line takes them from the data module.
        backbone: A name from `visus backbones`.
        pretrained: `true` for ImageNet weights, or the path of a weights file.
        backbone_options: Arguments of the backbone's own, such as `activation` of LeNet-5.
        learning_rate: Peak learning rate of the schedule.
        backbone_learning_rate: Peak learning rate of the backbone; None for `learning_rate`.
        weight_decay: Decoupled weight decay (L2) of weights; biases and norms have none.
        warmup: Fraction of the training in which the learning rate rises, before the cosine decay.
        freeze_epochs: Epochs in which the backbone is frozen, its batch norm statistics too; -1
            for all.
        freeze_batch_norm: Freeze the batch norm statistics of a pretrained backbone, for
            fine-tuning with small batches; its weights are trained.

    Attributes:
        channels: Sizes of layers that differ from those of the architecture, by the layer's name;
            see `visus.models.channels.ChannelPlan`.

    Raises:
        VisusError: If there is no `data_info`.
    """

    task: ClassVar[str]
    ranges: ClassVar[Mapping[str, Range]] = COMMON_RANGES
    network: nn.Module
    mean: Tensor
    std: Tensor
    memory_format: torch.memory_format = torch.channels_last
    """Of the network's input: channels-last halves the time of training on a CPU."""

    def __init__(
        self,
        data_info: InputInfo | None = None,
        backbone: str = "tf_efficientnet_lite0",
        pretrained: bool | str = False,
        backbone_options: dict[str, Any] | None = None,
        learning_rate: float = 1e-3,
        backbone_learning_rate: float | None = None,
        weight_decay: float = 0.05,
        warmup: float = 0.05,
        freeze_epochs: int = 0,
        freeze_batch_norm: bool = False,
    ) -> None:
        super().__init__()
        if data_info is None:
            raise VisusError(
                f"{type(self).__name__} needs data_info, {self.spec.data_info.__name__}(...): the "
                "properties of the data, such as the class names"
            )
        self.save_hyperparameters(logger=False)
        check_ranges("model", ranges_of(type(self)), self.hparams)
        self.class_names = list(data_info.class_names)
        self.image_size = (int(data_info.image_size[0]), int(data_info.image_size[1]))
        self.in_channels = data_info.in_channels
        self.resize_mode = data_info.resize_mode
        self.learning_rate = learning_rate
        self.backbone_learning_rate = backbone_learning_rate
        self.weight_decay = weight_decay
        self.warmup = warmup
        self.freeze_epochs = freeze_epochs
        self.freeze_batch_norm = freeze_batch_norm
        self.backbone_is_trained = bool(pretrained)
        self.channels: ChannelPlan = {}
        self._scheduled_rate = learning_rate

    @property
    def spec(self) -> TaskSpec:
        """The task's interface for the applications."""
        return task_spec(self.task)

    def set_normalisation(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        """Store the backbone's mean and standard deviation, on the scale 0 to 255, as buffers."""
        shape = (1, len(mean), 1, 1)
        self.register_buffer("mean", torch.tensor(mean).view(shape), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(shape), persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        """Normalise uint8 images of shape (batch, channels, height, width)."""
        values = images.to(self.mean.dtype, memory_format=self.memory_format)
        return (values - self.mean) / self.std

    @property
    def backbone(self) -> nn.Module:
        """The part of the network that is the backbone; it may be frozen."""
        return self.network.get_submodule("body")

    @property
    def metadata(self) -> ModelMetadata:
        """What checkpoints and exported files store for the applications."""
        return ModelMetadata(
            task=self.spec.name,
            class_names=tuple(self.class_names),
            image_size=self.image_size,
            in_channels=self.in_channels,
            resize_mode=self.resize_mode,
            mean=tuple(self.mean.flatten().tolist()),
            std=tuple(self.std.flatten().tolist()),
            options=self.options(),
        )

    def options(self) -> dict[str, Any]:
        """Task-specific values for postprocessing, as plain values."""
        return {}

    def describe_outputs(self) -> str:
        """What the network predicts, in a few words, such as `10 classes`."""
        return f"{len(self.class_names)} {self.spec.classes_title}"

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Move the tensors of a batch; other values are unchanged."""
        return {
            key: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
            for key, value in batch.items()
        }

    # Prediction

    def measure(self, batches: Iterable[Batch], split: str = "test") -> Any:
        """The metrics of batches, which are on any device, without a trainer.

        Args:
            batches: Unaugmented batches.
            split: See `EvaluatedModule.new_metrics`.
        """
        metrics = self.new_metrics(split)
        with torch.inference_mode():
            for batch in batches:
                self.update_metrics(metrics, self.transfer_batch_to_device(batch, self.device, 0))
        return metrics

    def predict_step(self, batch: Batch, batch_idx: int) -> list[Prediction]:
        """Predictions, in pixels of the images, for a batch with `image` and `geometry`."""
        return self.postprocess(self(batch["image"]), batch["geometry"])

    def postprocess(self, outputs: tuple[Tensor, ...], geometries: list[Any]) -> list[Prediction]:
        """Convert outputs of `forward` to predictions, in pixels of the original images."""
        arrays = [output.float().cpu().numpy() for output in outputs]
        postprocess, metadata = self.spec.postprocess(), self.metadata
        return [
            postprocess([array[i] for array in arrays], geometry, metadata)
            for i, geometry in enumerate(geometries)
        ]

    # Features of a frozen backbone

    def encode(self, images: Tensor) -> Tensor:
        """Features of uint8 images, from which the network's head computes its outputs.

        A task that defines it, and whose `training_step` takes a batch with `features` in place of
        `image`, is trained on cached features if its backbone is frozen throughout.
        """
        raise NotImplementedError

    def extract_features(self, images: Tensor) -> Tensor:
        """As `encode`, in evaluation mode, without gradients, for images on any device."""
        training = self.backbone.training
        self.backbone.eval()
        with torch.no_grad():
            features = self.encode(images.to(self.device))
        self.backbone.train(training)
        return features

    def feature_fingerprint(self) -> str | None:
        """A hash of what `extract_features` depends on; None unless features may be cached."""
        if self.freeze_epochs >= 0 or type(self).encode is VisionTask.encode:
            return None
        arguments = self.hparams.get("backbone"), self.hparams.get("backbone_options")
        return weights_digest(
            self.backbone, f"{self.mean.tolist()} {self.std.tolist()} {arguments}"
        )

    def fit_head(self, samples: Iterable[tuple[Tensor, Batch]]) -> None:
        """Fit the head to features of the frozen backbone, before the training.

        Args:
            samples: Features as `extract_features` returns them, on the CPU, and their batches.
        """
        raise NotImplementedError

    # Training

    def refuse_non_finite(self, loss: Tensor, batch: Batch) -> Tensor:
        """Return the loss if it is finite.

        Raises:
            VisusError: If it is not finite; the error names the images.
        """
        if not torch.isfinite(loss):
            raise VisusError(
                f"the loss is {float(loss.detach())} in epoch {self.current_epoch + 1}, step "
                f"{self.global_step + 1}, on {', '.join(batch['source'])}; check these images, or "
                "lower model.learning_rate"
            )
        return loss

    def configure_optimizers(self) -> Any:
        """AdamW (Loshchilov and Hutter 2019) under a warm-up and a cosine."""
        return self.with_schedule(AdamW(self.parameter_groups(), lr=self.learning_rate))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The backbone and the rest, with and without weight decay, each with its learning rate."""
        backbone_rate = self.backbone_learning_rate or self.learning_rate
        backbone = list(self.backbone.parameters())
        known = set(backbone)
        rest = [p for p in self.network.parameters() if p not in known]
        parts = [(backbone, backbone_rate), (rest, self.learning_rate)]
        return group_parameters(parts, self.weight_decay)

    def with_schedule(self, optimizer: Optimizer) -> Any:
        """The optimiser with a linear warm-up and a cosine to zero, stepped every batch."""
        self._scheduled_rate = self.learning_rate
        schedule = ProgressSchedule(optimizer, self.trainer, self.warmup)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def setup(self, stage: str) -> None:
        """Freeze a backbone that is never trained, before the network is distributed."""
        if stage != "fit":
            return
        if self.freeze_epochs > 0 and self.trainer.world_size > 1:
            raise VisusError(
                f"model.freeze_epochs {self.freeze_epochs} with {self.trainer.world_size} "
                "processes would leave the unfrozen layers out of step; use 0 or -1, or one process"
            )
        if self.freeze_epochs < 0:
            self.backbone.requires_grad_(False)

    def on_train_start(self) -> None:
        """Apply a learning rate that was searched for, and the schedule of a resumed training."""
        for config in self.trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, ProgressSchedule):
                found = self.learning_rate != self._scheduled_rate
                config.scheduler.update(self.learning_rate if found else None)
        # Lightning skips this hook where it continues in the middle of an epoch.
        self.on_train_epoch_start()

    def on_train_epoch_start(self) -> None:
        """Freeze or unfreeze the backbone; Lightning's `train()` would unfreeze batch norm."""
        frozen = self.freeze_epochs < 0 or self.current_epoch < self.freeze_epochs
        freeze(self.backbone, frozen, self.freeze_batch_norm and self.backbone_is_trained)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed the random choices of the network, such as dropout, with the seed and the step."""
        place = (self.current_epoch, batch_idx, self.trainer.global_rank)
        torch.manual_seed(derive_seed(run_seed(), *place))

    # Checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the metadata and the constructor arguments under `visus`."""
        checkpoint.pop("hyper_parameters", None)
        more = {
            "arguments": plain(dict(self.hparams)),
            "backbone_is_trained": self.backbone_is_trained,
        }
        if self.channels:
            more["channels"] = plain(self.channels)
        checkpoint.setdefault("visus", {}).update(self.metadata.to_dict() | more)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore whether the backbone was pretrained, and migrate earlier weights."""
        stored = checkpoint["visus"]
        self.backbone_is_trained = bool(stored.get("backbone_is_trained", True))
        weights = self.spec.migrate_weights(checkpoint["state_dict"], stored["format"])
        checkpoint["state_dict"] = weights
