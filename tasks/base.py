"""Base class of all tasks: normalisation, optimiser, schedule, freezing, evaluation."""

from abc import abstractmethod
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from visus.tasks.data_info import InputInfo
from visus.tasks.gathering import gather_objects
from visus.tasks.metrics import Metrics
from visus.tasks.optimisation import group_parameters, warmup_cosine
from visus.tasks.plain_values import plain
from visus.tasks.registry import task_spec
from visus.tasks.spec import TaskSpec
from visus.vision.errors import VisusError
from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Prediction

Batch = dict[str, Any]


class VisionTask(pl.LightningModule):
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

    Raises:
        VisusError: If there is no `data_info`.
    """

    task: ClassVar[str]
    monitor: ClassVar[tuple[str, str]]
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
        self.metrics: Metrics | None = None
        self.tested: Any = None

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

    # Evaluation: every sample counts once, on any number of processes.

    @abstractmethod
    def new_metrics(self, split: str) -> Metrics:
        """Empty metrics for `val` or `test`."""

    @abstractmethod
    def update_metrics(self, metrics: Any, batch: Batch) -> None:
        """Predict a batch and update the metrics."""

    def compute_metrics(self, metrics: Any, split: str) -> Any:
        """The result of the metrics of all processes; see `Metrics.compute`."""
        return metrics.compute()

    def class_figures(self, result: Any) -> dict[str, float]:
        """Figures of single classes after a test, such as `map/cat`."""
        return {}

    def after_validation(self, result: Any) -> None:
        """Called with the result of each validation during training."""

    def on_validation_epoch_start(self) -> None:
        """Reset the metrics."""
        self.metrics = self.new_metrics("val")

    def on_test_epoch_start(self) -> None:
        """Reset the metrics."""
        self.metrics = self.new_metrics("test")

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure one batch."""
        self.update_metrics(self.metrics, batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure one batch."""
        self.update_metrics(self.metrics, batch)

    def on_validation_epoch_end(self) -> None:
        """Log the figures over all processes."""
        if self.trainer.sanity_checking:
            return
        result = self._log_result("val")
        if self.trainer.state.fn == "fit":
            self.after_validation(result)
        # The predictions of a whole split would stay in memory while training continues.
        self.metrics = None

    def on_test_epoch_end(self) -> None:
        """Log the figures over all processes and those of each class, and store the result."""
        self.tested = self._log_result("test")
        for name, value in self.class_figures(self.tested).items():
            self.log(f"test/{name}", value)

    def _log_result(self, split: str) -> Any:
        assert self.metrics is not None
        self.metrics.records = gather_objects(self.metrics.records)
        result = self.compute_metrics(self.metrics, split)
        for name, value in result.figures.items():
            self.log(f"{split}/{name}", value, prog_bar=f"{split}/{name}" == self.monitor[0])
        return result

    # Training

    def refuse_non_finite(self, loss: Tensor, batch: Batch) -> Tensor:
        """Return the loss if it is finite.

        Raises:
            VisusError: If it is not finite; the error names the images.
        """
        if not torch.isfinite(loss):
            raise VisusError(
                f"the loss is {float(loss.detach())} in epoch {self.current_epoch + 1}, step "
                f"{self.global_step + 1}, on {', '.join(batch['source'])}; the weights of the last "
                "epoch are in last.ckpt; check these images, or lower model.learning_rate"
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
        factor = warmup_cosine(self.warmup, int(self.trainer.estimated_stepping_batches))
        schedule = {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def setup(self, stage: str) -> None:
        """Freeze a backbone that is never trained, before the network is distributed."""
        if stage == "fit" and self.freeze_epochs < 0:
            self.backbone.requires_grad_(False)

    def on_train_epoch_start(self) -> None:
        """Freeze or unfreeze the backbone; Lightning's `train()` would unfreeze batch norm."""
        frozen = self.freeze_epochs < 0 or self.current_epoch < self.freeze_epochs
        unfreezes_later = self.freeze_epochs > 0
        if unfreezes_later and self.trainer.world_size > 1:
            raise VisusError(
                f"model.freeze_epochs {self.freeze_epochs} with {self.trainer.world_size} "
                "processes would leave the unfrozen layers out of step; use 0 or -1, or one process"
            )
        self.backbone.requires_grad_(not frozen)
        self.backbone.train(not frozen)
        if self.freeze_batch_norm and self.backbone_is_trained:
            for module in self.backbone.modules():
                # Base class of batch norm in one, two and three dimensions, and of timm's.
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    # Checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the metadata and the constructor arguments under `visus`."""
        checkpoint.pop("hyper_parameters", None)
        more = {
            "arguments": plain(dict(self.hparams)),
            "backbone_is_trained": self.backbone_is_trained,
        }
        checkpoint.setdefault("visus", {}).update(self.metadata.to_dict() | more)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore whether the backbone was pretrained, and migrate earlier weights."""
        stored = checkpoint["visus"]
        self.backbone_is_trained = bool(stored.get("backbone_is_trained", True))
        weights = self.spec.migrate_weights(checkpoint["state_dict"], stored["format"])
        checkpoint["state_dict"] = weights
