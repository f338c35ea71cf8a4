"""Classification: one or several labels for an image."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.v2 import CutMix, MixUp, RandomChoice

from visus.models.attacks import pgd_values
from visus.models.backbones.classifier import create_classifier
from visus.tasks.base import Batch, VisionTask
from visus.tasks.class_attack import ClassAttack
from visus.tasks.class_metrics import ClassificationMetrics, ClassificationResult
from visus.tasks.classification.data_info import ClassificationInfo
from visus.tasks.classification.networks import SpatialTransformer
from visus.tasks.optimisation import fit_to_features
from visus.vision.errors import VisusError
from visus.vision.ranges import NOT_NEGATIVE, POSITIVE, PROBABILITY

_ATTACK_STEPS = 7
"""Gradient steps of the attacks in adversarial training, as in Madry et al. 2018."""


class ClassificationTask(VisionTask):
    """Assign labels to an image.

    Args:
        data_info: Properties of the data; the command line reads them from the data module.
        class_weights: `balanced` weights the classes in the loss by their inverse frequency,
            `auto` by the square root of it if the largest class has at least 1.5 times the images
            of the smallest: rare classes gain without too much loss of accuracy.
        label_smoothing: Fraction of each target that is distributed over all classes.
        mixup: Alpha of mixup (Zhang et al. 2018); 0 for none.
        cutmix: Alpha of CutMix (Yun et al. 2019); 0 for none. With mixup, each batch gets one of
            the two at random.
        dropout: Dropout probability of the features before the last layer.
        l1: Coefficient of the L1 penalty on the weights.
        flip_at_test: Average the logits of an image and its mirror image in evaluation, unless the
            data say that a mirror image is of another class.
        front: `spatial_transformer` finds the relevant part of the image before the backbone, and
            resamples it (Jaderberg et al. 2015).
        temperature: Divisor of the logits in evaluation, which makes scores less (above 1) or more
            confident; `visus report --calibrate` finds it.
        adversarial: `pgd` trains on images that were attacked by projected gradient descent (Madry
            et al. 2018), in about eight times the time.
        epsilon: Largest change of a pixel by these attacks, as a fraction of the range 0 to 255.
        kwargs: See `VisionTask`.

    Raises:
        VisusError: If arguments cannot be combined.
    """

    task = "classification"
    monitor = ("val/accuracy", "max")
    ranges: ClassVar = {
        "label_smoothing": PROBABILITY,
        "mixup": NOT_NEGATIVE,
        "cutmix": NOT_NEGATIVE,
        "dropout": PROBABILITY,
        "l1": NOT_NEGATIVE,
        "temperature": POSITIVE,
        "epsilon": PROBABILITY,
    }
    network: nn.Sequential
    class_weights: Tensor | None
    tested: ClassificationResult | None

    def __init__(
        self,
        data_info: ClassificationInfo | None = None,
        class_weights: Literal["auto", "balanced", "none"] = "auto",
        label_smoothing: float = 0.0,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        dropout: float = 0.0,
        l1: float = 0.0,
        flip_at_test: bool = False,
        front: Literal["none", "spatial_transformer"] = "none",
        temperature: float = 1.0,
        adversarial: Literal["none", "pgd"] = "none",
        epsilon: float = 8 / 255,
        **kwargs: Any,
    ) -> None:
        if adversarial != "none" and (mixup or cutmix):
            raise VisusError(
                "model.adversarial pgd attacks single images, which mixup and cutmix do not leave; "
                "set model.mixup and model.cutmix to 0"
            )
        super().__init__(data_info=data_info, **kwargs)
        assert data_info is not None
        self.temperature = temperature
        self.adversarial = adversarial
        self.epsilon = epsilon
        self.multi_label = data_info.multi_label
        if self.multi_label:
            # Where labels are rare, answering none has a high accuracy.
            self.monitor = ("val/macro_f1", "max")
        self.label_smoothing = label_smoothing
        self.l1 = l1
        self.flip_at_test = flip_at_test and data_info.mirrors
        classes = len(self.class_names)
        self.network, described = create_classifier(
            self.hparams["backbone"],
            classes,
            self.in_channels,
            self.hparams["pretrained"],
            self.image_size,
            dropout,
            **(self.hparams["backbone_options"] or {}),
        )
        if front == "spatial_transformer":
            layers = dict(self.network.named_children())
            front_layer = SpatialTransformer(self.in_channels)
            self.network = nn.Sequential(OrderedDict(front=front_layer, **layers))
        self.network.to(memory_format=torch.channels_last)
        self.set_normalisation(described.mean, described.std)
        weights = loss_weights(data_info.class_counts, class_weights)
        self.register_buffer("class_weights", weights, persistent=False)
        mixes = [
            mix(alpha=alpha, num_classes=classes)
            for mix, alpha in ((MixUp, mixup), (CutMix, cutmix))
            if alpha > 0
        ]
        self.mix = RandomChoice(mixes) if mixes else None

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
        return (logits if self.temperature == 1 else logits / self.temperature,)

    def encode(self, images: Tensor) -> Tensor:
        """Features of uint8 images, which are the input of the network's head."""
        # All layers but the head.
        features: Tensor = self.network[:-1](self.normalise(images))
        return features

    def feature_fingerprint(self) -> str | None:
        """See `VisionTask.feature_fingerprint`.

        None with mixup or CutMix, which mix images, with a front, which is trained, and with
        attacks on the images.
        """
        changes = self.mix is not None or self.front is not None or self.adversarial != "none"
        return None if changes else super().feature_fingerprint()

    def fit_head(self, samples: Iterable[tuple[Tensor, Batch]]) -> None:
        """See `VisionTask.fit_head`."""
        pairs = [(features, batch["label"]) for features, batch in samples]
        features, labels = (torch.cat(each).to(self.device) for each in zip(*pairs, strict=True))

        def loss(logits: Tensor, chosen: Tensor) -> Tensor:
            return self._loss(logits, labels[chosen], self.class_weights)

        fit_to_features(self.network.get_submodule("head"), features.float(), loss)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The training loss of one batch, of images or of their cached features."""
        labels = batch["label"]
        if "features" in batch:
            logits = self.network.get_submodule("head")(batch["features"].float())
        else:
            images = self.normalise(self._attacked(batch))
            if self.mix is not None:
                images, labels = self.mix(images, labels)
            logits = self.network(images)
        loss = self._loss(logits.float(), labels, self.class_weights)
        if self.l1:
            loss = loss + self.l1 * sum(p.abs().sum() for p in self.parameters() if p.ndim > 1)
        self.log("train/loss", loss, prog_bar=True)
        return self.refuse_non_finite(loss, batch)

    def _attacked(self, batch: Batch) -> Tensor:
        """The images of a training batch, attacked where the training is adversarial."""
        images: Tensor = batch["image"]
        if self.adversarial == "none":
            return images
        objective = ClassAttack(lambda each: self.network(self.normalise(each)), batch["label"])
        return pgd_values(objective, images, self.epsilon, _ATTACK_STEPS)

    @property
    def front(self) -> SpatialTransformer | None:
        """The layer before the backbone, if there is one."""
        layer = self.network[0]
        return layer if isinstance(layer, SpatialTransformer) else None

    @property
    def metric_names(self) -> tuple[str, ...]:
        """See `VisionTask.metric_names`."""
        names = ["loss", "accuracy", "macro_f1", "calibration_error"]
        if not self.multi_label and len(self.class_names) > 5:
            names.append("top5_accuracy")
        return ("train/loss", *(f"val/{name}" for name in names))

    def new_metrics(self, split: str) -> ClassificationMetrics:
        """See `VisionTask.new_metrics`."""
        return ClassificationMetrics(len(self.class_names), self.multi_label)

    def update_metrics(self, metrics: ClassificationMetrics, batch: Batch) -> None:
        """See `VisionTask.update_metrics`."""
        logits: Tensor = self(batch["image"])[0].float()
        labels = batch["label"]
        # Without class weights: a weighted mean would depend on the composition of the batches.
        loss = float(self._loss(logits, labels, None))
        scores = logits.sigmoid() if self.multi_label else logits.softmax(1)
        metrics.update(scores.cpu().numpy(), labels.cpu().numpy(), loss)

    def options(self) -> dict[str, Any]:
        """See `VisionTask.options`."""
        return {"multi_label": self.multi_label}

    def _loss(self, logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        if self.multi_label:
            targets = labels.float() * (1 - self.label_smoothing) + self.label_smoothing / 2
            return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weights)
        return F.cross_entropy(logits, labels, weights, label_smoothing=self.label_smoothing)


def loss_weights(
    counts: tuple[int, ...] | None, mode: Literal["auto", "balanced", "none"]
) -> Tensor | None:
    """Weights of the classes in the loss, with a mean of 1 per image.

    Args:
        counts: Number of training images of each class; None if unknown.
        mode: See `ClassificationTask`.

    Returns:
        float of shape (classes,), or None for equal weights.
    """
    if not counts or mode == "none" or max(counts) == 0:
        return None
    if mode == "auto" and max(counts) < 1.5 * min(counts):
        return None
    values = torch.tensor(counts, dtype=torch.float)
    present = values.clamp(min=1)
    weights = 1 / present.sqrt() if mode == "auto" else 1 / present
    # Smoothed labels would teach to predict a class without training images, such as one whose
    # only image is in the validation split.
    weights = torch.where(values > 0, weights, 0)
    return weights * values.sum() / (weights * values).sum()


def imagenet_class_names() -> tuple[str, ...]:
    """The names of the 1,000 classes of ImageNet, in the order of the pretrained networks."""
    from torchvision.models import get_weight

    return tuple(get_weight("ResNet18_Weights.IMAGENET1K_V1").meta["categories"])
