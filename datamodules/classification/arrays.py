"""Classification data in memory: digits, Fashion-MNIST, CIFAR-10 and procedural scenes."""

from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from visus.datamodules.classification.augment import Augmentation, TrainingTransform
from visus.datamodules.classification.data import ClassificationData
from visus.datamodules.core.archives import Arrays, cifar10, fashion_mnist
from visus.datamodules.core.class_labels import encode_labels
from visus.datamodules.core.loading import ArrayDataset, Batch, ImageDataset
from visus.datamodules.core.ranges import check_data_ranges
from visus.datamodules.core.splits import content_hash, held_out, scene_seeds
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.metadata import ResizeMode
from visus.vision.resize import resize_to_input
from visus.vision.scenes import SHAPES, Scene, make_scene


class ArrayClassificationData(ClassificationData):
    """Data sets that are small enough to be held in memory.

    Args:
        image_size: (height, width) in pixels.
        augment: Augmentation of the training images.
        resize_mode: How images are resized to that size.
        val_share: Fraction of the training images held out for validation, by content.
        batch_size: Images per batch and process.
        num_workers: Worker processes that load images; 0 to load in the main process.
        class_names: The classes of a checkpoint, in order; by default those of the data set.

    Attributes:
        names: Classes of the data set, by class id.
        channels: Channels of its images.
    """

    names: tuple[str, ...]
    channels: int = 1

    def __init__(
        self,
        image_size: tuple[int, int],
        augment: Augmentation,
        resize_mode: ResizeMode = "stretch",
        val_share: float = 0.05,
        batch_size: int = 128,
        num_workers: int = 0,
        class_names: list[str] | None = None,
    ) -> None:
        super().__init__(batch_size, num_workers, augment)
        check_data_ranges(image_size=image_size, val_share=val_share)
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.resize_mode = resize_mode
        self.val_share = val_share
        self.class_names = tuple(class_names or self.names)
        self.in_channels = self.channels

    @abstractmethod
    def read(self) -> dict[str, Arrays]:
        """Images and labels of `train`, and of `val` and `test` where the data set has them."""

    @cached_property
    def splits(self) -> dict[str, Arrays]:
        """Images and labels of each split."""
        parts = self.read()
        if "val" in parts:
            return parts
        images, labels = parts["train"]
        out = _hold_out(images, labels, self.val_share)
        held = {"train": (images[~out], labels[~out]), "val": (images[out], labels[out])}
        return parts | held

    @property
    def class_counts(self) -> list[int] | None:  # type: ignore[override]
        """Number of training images of each class."""
        counts = np.bincount(self.splits["train"][1], minlength=len(self.names))
        return [int(count) for count in counts]

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionDataModule.dataset`."""
        if split not in self.splits:
            raise VisusError(
                f"{type(self).__name__} has no {split} split, but {', '.join(self.splits)}; "
                "measure with visus validate, or add one"
            )
        images, labels = self.splits[split]
        resized = np.stack(
            [resize_to_input(image, self.image_size, self.resize_mode)[0] for image in images]
        )
        _, shared_geometry = resize_to_input(images[0], self.image_size, self.resize_mode)
        unknown = set(self.names) - set(self.class_names)
        if unknown:
            raise VisusError(
                f"unknown label {', '.join(sorted(unknown))!r} in {type(self).__name__}; "
                f"the model knows {', '.join(self.class_names)}"
            )
        ids = np.array([self.class_names.index(name) for name in self.names])
        transform = None
        if split == "train" and self.augment != "none":
            transform = TrainingTransform(
                self.augment, self.image_size, self.resize_mode, self.mirrors
            )
        return ArrayDataset(resized, ids[labels], shared_geometry, transform)


class DigitsData(ArrayClassificationData):
    """scikit-learn's 1,797 handwritten digits of 8x8 pixels; a quarter is held out for test.

    Args:
        image_size: (height, width) in pixels.
        augment: Augmentation of the training images.
        val_share: Fraction of the training images held out for validation, by content.
        batch_size: Images per batch and process.
        kwargs: See `ArrayClassificationData`.
    """

    names = tuple(str(digit) for digit in range(10))

    def __init__(
        self,
        image_size: tuple[int, int] = (32, 32),
        augment: Augmentation = "characters",
        val_share: float = 0.1,
        batch_size: int = 32,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_size, augment, val_share=val_share, batch_size=batch_size, **kwargs)

    def read(self) -> dict[str, Arrays]:
        """See `ArrayClassificationData.read`."""
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = (digits.images[..., None] * 255 / 16).round().astype(np.uint8)
        labels = digits.target.astype(np.int64)
        out = _hold_out(images, labels, 0.25)
        return {"train": (images[~out], labels[~out]), "test": (images[out], labels[out])}


class FashionMNISTData(ArrayClassificationData):
    """Fashion-MNIST: 60,000 training and 10,000 test images of clothes, 28x28 grey.

    Args:
        root: The folder with the four `.gz` files, or the one to download into.
        image_size: (height, width) in pixels.
        augment: Augmentation of the training images.
        kwargs: See `ArrayClassificationData`.
    """

    names = (
        "T-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    )

    def __init__(
        self,
        root: str = "data",
        image_size: tuple[int, int] = (28, 28),
        augment: Augmentation = "none",
        **kwargs: Any,
    ) -> None:
        super().__init__(image_size, augment, **kwargs)
        self.root = Path(root)

    def read(self) -> dict[str, Arrays]:
        """See `ArrayClassificationData.read`."""
        return fashion_mnist(self.root)


class CIFAR10Data(ArrayClassificationData):
    """CIFAR-10: 50,000 training and 10,000 test images of ten classes, 32x32 RGB.

    Args:
        root: The folder that holds `cifar-10-batches-py`, or the one to download into.
        image_size: (height, width) in pixels.
        augment: Augmentation of the training images.
        kwargs: See `ArrayClassificationData`.
    """

    names = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )
    channels = 3

    def __init__(
        self,
        root: str = "data",
        image_size: tuple[int, int] = (32, 32),
        augment: Augmentation = "small",
        **kwargs: Any,
    ) -> None:
        super().__init__(image_size, augment, **kwargs)
        self.root = Path(root)

    def read(self) -> dict[str, Arrays]:
        """See `ArrayClassificationData.read`."""
        return cifar10(self.root)


class ScenesClassificationData(ClassificationData):
    """Procedural scenes (`visus.vision.scenes`), labelled by the shapes of their objects.

    Args:
        count: Number of training images; validation and test have a quarter as many each.
        image_size: (height, width) in pixels.
        multi_label: Up to four objects per image, each a label, instead of one.
        seed: Seed of the first image.
        batch_size: Images per batch and process.
        num_workers: Worker processes that load images; one for each core but the first by default.
        class_names: The classes of a checkpoint, in order.
    """

    def __init__(
        self,
        count: int = 2000,
        image_size: tuple[int, int] = (64, 64),
        multi_label: bool = False,
        seed: int = 0,
        batch_size: int = 32,
        num_workers: int | None = None,
        class_names: list[str] | None = None,
    ) -> None:
        super().__init__(batch_size, num_workers, "none")
        check_data_ranges(count=count, image_size=image_size, seed=seed)
        self.count = count
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.multi_label = multi_label
        self.seed = seed
        self.class_names = tuple(class_names or SHAPES)
        self.class_counts = None
        self.in_channels = 3
        self.resize_mode = "stretch"

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionDataModule.dataset`."""
        seeds = scene_seeds(split, self.count, self.seed)
        objects = (1, 4) if self.multi_label else (1, 1)
        draw = partial(make_scene, size=self.image_size, objects=objects)
        shapes = [tuple(item.shape for item in draw(seed).objects) for seed in seeds]
        labels = encode_labels(shapes, self.class_names, self.multi_label)
        read = partial(_scene_image, draw)
        return ImageDataset(seeds, read, labels, self.image_size, self.resize_mode)


def _scene_image(draw: Callable[[int], Scene], seed: int) -> Pixels:
    return draw(seed).image


def _hold_out(
    images: NDArray[np.uint8], labels: NDArray[np.int64], fraction: float
) -> NDArray[np.bool_]:
    hashes = [content_hash(image.tobytes()) for image in images]
    return np.array(held_out(hashes, labels.tolist(), fraction))
