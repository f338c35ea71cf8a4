"""What all tasks share: normalisation, optimiser, schedule, freezing, predictions."""

import hashlib
import math
from typing import Any, ClassVar, TypeVar

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from visus.vision.errors import VisusError
from visus.vision.resize import FitMode
from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Prediction
from visus.apps.inference.predictions_tmp import to_prediction

Item = TypeVar("Item")


class VisionTask(pl.LightningModule):
    """A network with everything needed to train it and to use it.

    A subclass builds `self.network` and calls `self.set_normalisation`; `forward` takes uint8
    pictures and returns a tuple of tensors, and is exactly what is exported.

    Args:
        class_names: One name for each class id, in order.
        image_size: (height, width) of the input in pixels.
        in_channels: Channels of the input: 3 for RGB, 1 for grey.
        fit_mode: How a picture is brought to that size.
        learning_rate: The highest the schedule reaches.
        backbone_learning_rate: The same for the network's body; None for `learning_rate`.
        weight_decay: Decoupled weight decay (L2) of weights; biases and norms have none.
        warmup: Share of the training in which the learning rate rises; it falls as a cosine after.
        freeze_epochs: Epochs in which the body stands still, batch norm statistics too; -1 for all.
        freeze_batch_norm: Keep the body's batch norm statistics as they are, which suits
            fine-tuning with small batches; the other weights learn.
    """

    task: ClassVar[str]
    monitor: ClassVar[tuple[str, str]]
    network: nn.Module
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        class_names: list[str],
        image_size: tuple[int, int],
        in_channels: int,
        fit_mode: FitMode,
        learning_rate: float,
        backbone_learning_rate: float | None,
        weight_decay: float,
        warmup: float,
        freeze_epochs: int,
        freeze_batch_norm: bool,
    ) -> None:
        super().__init__()
        self.class_names = list(class_names)
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.in_channels = in_channels
        self.fit_mode = fit_mode
        self.learning_rate = learning_rate
        self.backbone_learning_rate = backbone_learning_rate
        self.weight_decay = weight_decay
        self.warmup = warmup
        self.freeze_epochs = freeze_epochs
        self.freeze_batch_norm = freeze_batch_norm

    def set_normalisation(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        """Keep the backbone's constants, on the scale 0 to 255, inside the task."""
        shape = (1, len(mean), 1, 1)
        self.register_buffer("mean", torch.tensor(mean).view(shape), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(shape), persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        """From uint8 pictures to the network's input, both (batch, channels, height, width).

        The result lies in memory channels-last, which halves the time of training on a CPU.
        """
        values = images.to(self.mean.dtype, memory_format=torch.channels_last)
        return (values - self.mean) / self.std

    @property
    def body(self) -> nn.Module:
        """The part of the network that is the backbone's; it may be frozen."""
        return self.network.get_submodule("body")

    @property
    def metadata(self) -> ModelMetadata:
        """What an application must know of this model."""
        return ModelMetadata(
            task=self.task,
            class_names=tuple(self.class_names),
            image_size=self.image_size,
            in_channels=self.in_channels,
            fit_mode=self.fit_mode,
            mean=tuple(self.mean.flatten().tolist()),
            std=tuple(self.std.flatten().tolist()),
            options=self.options(),
        )

    def options(self) -> dict[str, Any]:
        """What only this task's predictions need, plain values."""
        return {}

    def transfer_batch_to_device(
        self, batch: dict[str, Any], device: torch.device, dataloader_idx: int
    ) -> dict[str, Any]:
        """Move the tensors of a batch; what else it names stays as it is."""
        return {
            key: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
            for key, value in batch.items()
        }

    def refuse_non_finite(self, loss: Tensor, batch: dict[str, Any]) -> Tensor:
        """The loss as it is, before it can spoil the weights.

        Raises:
            VisusError: If it is not finite; names the pictures.
        """
        if not torch.isfinite(loss):
            raise VisusError(
                f"the loss is {float(loss.detach())} in epoch {self.current_epoch + 1}, step "
                f"{self.global_step + 1}, on {', '.join(batch['source'])}; the weights of the last "
                "epoch are in last.ckpt; look at these pictures, or lower model.learning_rate"
            )
        return loss

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> list[Prediction]:
        """Predictions for a batch with the keys `image` and `fit`, in the original's pixels."""
        return self.to_predictions(self(batch["image"]), batch["fit"])

    def to_predictions(self, outputs: tuple[Tensor, ...], fits: list[Any]) -> list[Prediction]:
        """What `forward` returned, picture by picture, in the original's pixels."""
        arrays = [output.float().cpu().numpy() for output in outputs]
        return [
            to_prediction([array[i] for array in arrays], fit, self.metadata)
            for i, fit in enumerate(fits)
        ]

    def configure_optimizers(self) -> Any:
        """AdamW (Loshchilov and Hutter 2019) under a warm-up and a cosine."""
        return self.with_schedule(AdamW(self.parameter_groups(), lr=self.learning_rate))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The body and the rest, with and without weight decay, each with its learning rate."""
        body_rate = self.backbone_learning_rate or self.learning_rate
        body = list(self.body.parameters())
        known = set(body)
        rest = [p for p in self.network.parameters() if p not in known]
        groups = []
        for parameters, rate in ((body, body_rate), (rest, self.learning_rate)):
            for decays in (True, False):
                members = [p for p in parameters if (p.ndim > 1) == decays]
                decay = self.weight_decay if decays else 0.0
                if members:
                    groups.append({"params": members, "lr": rate, "weight_decay": decay})
        return groups

    def with_schedule(self, optimizer: Optimizer) -> dict[str, Any]:
        """The optimiser with a linear warm-up and a cosine to zero, stepped every batch."""
        steps = int(self.trainer.estimated_stepping_batches)
        rising = max(1, round(self.warmup * steps))

        def factor(step: int) -> float:
            if step < rising:
                return (step + 1) / rising
            return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))

        schedule = {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def setup(self, stage: str) -> None:
        """Freeze for good before the network is shared out to processes."""
        if stage == "fit" and self.freeze_epochs < 0:
            self.body.requires_grad_(False)

    def on_train_epoch_start(self) -> None:
        """Freeze or thaw the body; Lightning's `train()` would set frozen batch norm going."""
        frozen = self.freeze_epochs < 0 or self.current_epoch < self.freeze_epochs
        thaws_later = self.freeze_epochs > 0
        if thaws_later and self.trainer.world_size > 1:
            raise VisusError(
                f"model.freeze_epochs {self.freeze_epochs} with {self.trainer.world_size} "
                "processes would leave the thawed layers out of step; use 0 or -1, or one process"
            )
        self.body.requires_grad_(not frozen)
        self.body.train(not frozen)
        if self.freeze_batch_norm:
            for module in self.body.modules():
                # Its classes for one, two and three dimensions, and timm's own, share this base.
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what the apps need, and what builds this task again, under `visus`."""
        checkpoint.pop("hyper_parameters", None)
        arguments = {"arguments": plain(dict(self.hparams))}
        checkpoint.setdefault("visus", {}).update(self.metadata.to_dict() | arguments)


def weights_digest(network: nn.Module, facts: str) -> str:
    """A hash of a network's weights, and of what else its outputs depend on."""
    digest = hashlib.sha256(facts.encode())
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def gather_objects(objects: list[Item]) -> list[Item]:
    """The lists of all processes as one, on each; with one process the list itself."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return objects
    gathered: list[list[Item]] = [[] for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather_object(gathered, objects)
    return [item for part in gathered for item in part]


def plain(value: Any) -> Any:
    """A copy of plain `str`, `int`, `float`, `bool`, `list` and `dict` only.

    Raises:
        TypeError: If something else is in it: it would make a checkpoint unreadable.
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or type(value) in (str, int, float, bool):
        return value
    raise TypeError(f"a checkpoint keeps plain values only, not {type(value).__name__}")
