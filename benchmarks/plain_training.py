"""Data sets and losses of `training_speed.py`'s plain loop: Pillow, albumentations, PyTorch."""

from collections.abc import Callable, Sequence
from typing import Any

import albumentations as A
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from segmentation_models_pytorch.losses import DiceLoss
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset, default_collate

from visus.vision.masks import IGNORE

Item = tuple[Tensor, Any]
GREY = 114
JITTER = (0.3, 0.3, 0.3, 0.02)


def read_rgb(path: Any) -> NDArray[np.uint8]:
    """Decode an image, uint8 of shape (height, width, 3)."""
    return np.asarray(Image.open(path).convert("RGB"))


def to_planes(image: NDArray[np.uint8]) -> Tensor:
    """A tensor (channels, height, width)."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


class Classified(Dataset[Item]):
    """Images and class ids."""

    def __init__(self, module: Any) -> None:
        self.samples = module.splits["train"]
        self.ids = {name: i for i, name in enumerate(module.class_names)}
        crop = A.RandomResizedCrop(module.train_size, scale=(0.35, 1.0))
        self.steps = A.Compose([crop, A.HorizontalFlip(p=0.5), A.ColorJitter(*JITTER, p=0.8)])

    def __len__(self) -> int:
        """Number of images."""
        return len(self.samples)

    def __getitem__(self, index: int) -> Item:
        """An image and its class id."""
        sample = self.samples[index]
        image = self.steps(image=read_rgb(sample.path))["image"]
        return to_planes(image), self.ids[sample.labels[0]]


class Detected(Dataset[Item]):
    """Images and boxes."""

    def __init__(self, module: Any) -> None:
        self.samples = module.splits["train"]
        self.ids = {name: i for i, name in enumerate(module.class_names)}
        height, width = module.image_size
        boxes = A.BboxParams("pascal_voc", ["labels"], min_visibility=0.2)
        self.steps = A.Compose(
            [
                A.BBoxSafeRandomCrop(p=0.4),
                A.LongestMaxSize(max_size_hw=(height, width)),
                A.PadIfNeeded(height, width, fill=GREY),
                A.HorizontalFlip(p=0.5),
                A.Affine(scale=(0.7, 1.3), translate_percent=(-0.1, 0.1), fill=GREY, p=0.7),
                A.ColorJitter(*JITTER, p=0.7),
            ],
            bbox_params=boxes,
        )

    def __len__(self) -> int:
        """Number of images."""
        return len(self.samples)

    def __getitem__(self, index: int) -> Item:
        """An image and the target of its boxes."""
        sample = self.samples[index]
        kept = [item for item in sample.objects if not item.ignored]
        boxes = np.array([item.box for item in kept], np.float32).reshape(-1, 4)
        labels = [self.ids[item.label] for item in kept]
        result = self.steps(image=read_rgb(sample.path), bboxes=boxes, labels=labels)
        target = {
            "boxes": torch.as_tensor(np.asarray(result["bboxes"], np.float32)).reshape(-1, 4),
            "labels": torch.as_tensor(np.asarray(result["labels"], np.int64)),
        }
        return to_planes(result["image"]), target


class Masked(Dataset[Item]):
    """Images and masks of class ids."""

    def __init__(self, module: Any) -> None:
        self.samples = module.splits["train"]
        height, width = module.image_size
        self.steps = A.Compose(
            [
                A.Resize(height, width),
                A.RandomScale((-0.5, 1.0), p=1.0),
                A.HorizontalFlip(p=0.5),
                A.PadIfNeeded(height, width, fill=GREY, fill_mask=IGNORE),
                A.RandomCrop(height, width),
                A.ColorJitter(*JITTER, p=0.8),
            ]
        )

    def __len__(self) -> int:
        """Number of images."""
        return len(self.samples)

    def __getitem__(self, index: int) -> Item:
        """An image and its mask."""
        sample = self.samples[index]
        mask = np.asarray(Image.open(sample.mask))
        result = self.steps(image=read_rgb(sample.path), mask=mask)
        return to_planes(result["image"]), torch.from_numpy(result["mask"].astype(np.int64))


def keep_lists(items: Sequence[Item]) -> tuple[Tensor, list[Any]]:
    """Stack the images, keep the targets as a list."""
    images, targets = zip(*items, strict=True)
    return torch.stack(images), list(targets)


def dataset(case: str, module: Any) -> tuple[Dataset[Item], Callable[..., Any]]:
    """The training set of a case, and how its items become batches."""
    kinds: dict[str, Callable[[Any], Dataset[Item]]] = {
        "classification": Classified,
        "detection": Detected,
        "segmentation": Masked,
    }
    return kinds[case](module), keep_lists if case == "detection" else default_collate


def freeze_batch_norm(backbone: nn.Module) -> None:
    """Freeze the statistics of batch norm."""
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def loss(case: str, task: Any) -> Callable[[Tensor, Any], Tensor]:
    """From normalised images and targets to the training loss of a case."""
    network = task.network
    if case == "classification":
        smoothing = task.label_smoothing
        return lambda images, ids: F.cross_entropy(network(images), ids, label_smoothing=smoothing)
    if case == "detection":
        return lambda images, targets: sum_of(network.losses(images, targets))
    dice = DiceLoss("multiclass", ignore_index=IGNORE)

    def segmentation(images: Tensor, masks: Tensor) -> Tensor:
        logits = F.interpolate(network(images), size=masks.shape[-2:], mode="bilinear")
        overlap: Tensor = dice(logits, masks)
        return F.cross_entropy(logits, masks, ignore_index=IGNORE) + overlap

    return segmentation


def sum_of(losses: dict[str, Tensor]) -> Tensor:
    """The sum of the parts of a loss."""
    return torch.stack(list(losses.values())).sum()
