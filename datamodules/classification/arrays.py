"""Classification data in memory: digits, Fashion-MNIST, CIFAR-10 and procedural scenes."""

from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from visus.datamodules.classification.augment import Augmentation, TrainingTransform
from visus.datamodules.classification.data import ClassificationData, encode_labels
from visus.datamodules.core.archives import Arrays, cifar10, fashion_mnist
from visus.datamodules.core.loading import ArrayDataset, Batch, ImageDataset, default_workers
from visus.datamodules.core.splits import content_hash, held_out, scene_seeds
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.metadata import ResizeMode
from visus.vision.resize import resize_to_input
from visus.vision.scenes import SHAPES, Scene, make_scene


class ArrayClassificationData(ClassificationData):
    """Data sets small enough to be kept in memory.

    Args:
        image_size: See `ClassificationData`.
        resize_mode: See `ClassificationData`.
        val_share: Share of the training images held out for validation, by content.
        batch_size: Images a batch and process.
        num_workers: Processes that load; 0 for none.
        augment: Random changes for training.
        class_names: The classes as a checkpoint states them; the data's own otherwise.
    """

    names: tuple[str, ...]
    channels = 1

    def __init__(
        self,
        image_size: tuple[int, int],
        resize_mode: ResizeMode,
        val_share: float,
        batch_size: int,
        num_workers: int,
        augment: Augmentation,
        class_names: list[str] | None,
    ) -> None:
        super().__init__(batch_size, num_workers, augment)
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.resize_mode = resize_mode
        self.val_share = val_share
        self.class_names = tuple(class_names or self.names)
        self.in_channels = self.channels

    @abstractmethod
    def read(self) -> tuple[Arrays, Arrays]:
        """Images and labels for training and for test."""

    @cached_property
    def splits(self) -> dict[str, Arrays]:
        """Images and labels of each split."""
        (images, labels), test = self.read()
        out = _hold_out(images, labels, self.val_share)
        return {
            "train": (images[~out], labels[~out]),
            "val": (images[out], labels[out]),
            "test": test,
        }

    @property
    def class_counts(self) -> list[int] | None:  # type: ignore[override]
        """Training images of each class."""
        counts = np.bincount(self.splits["train"][1], minlength=len(self.names))
        return [int(count) for count in counts]

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `ClassificationData.dataset`; predictions are made for the test images."""
        images, labels = self.splits["test" if split == "predict" else split]
        fitted = np.stack(
            [resize_to_input(image, self.image_size, self.resize_mode)[0] for image in images]
        )
        _, shared_geometry = resize_to_input(images[0], self.image_size, self.resize_mode)
        strangers = set(self.names) - set(self.class_names)
        if strangers:
            raise VisusError(
                f"unknown label {', '.join(sorted(strangers))!r} in {type(self).__name__}; "
                f"the model knows {', '.join(self.class_names)}"
            )
        ids = np.array([self.class_names.index(name) for name in self.names])
        transform = None
        if split == "train" and self.augment != "none":
            transform = TrainingTransform(self.augment, self.image_size, self.resize_mode)
        return ArrayDataset(fitted, ids[labels], shared_geometry, transform)


class DigitsData(ArrayClassificationData):
    """scikit-learn's 1,797 handwritten digits of 8x8 pixels; a quarter is held out for test.

    Args: as `ArrayClassData`.
    """

    names = tuple(str(digit) for digit in range(10))

    def __init__(
        self,
        image_size: tuple[int, int] = (32, 32),
        resize_mode: ResizeMode = "stretch",
        val_share: float = 0.1,
        batch_size: int = 32,
        num_workers: int = 0,
        augment: Augmentation = "characters",
        class_names: list[str] | None = None,
    ) -> None:
        super().__init__(
            image_size, resize_mode, val_share, batch_size, num_workers, augment, class_names
        )

    def read(self) -> tuple[Arrays, Arrays]:
        """See `ArrayClassData.read`."""
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = (digits.images[..., None] * 255 / 16).round().astype(np.uint8)
        labels = digits.target.astype(np.int64)
        out = _hold_out(images, labels, 0.25)
        return (images[~out], labels[~out]), (images[out], labels[out])


class FashionMNISTData(ArrayClassificationData):
    """Fashion-MNIST: 60,000 training and 10,000 test images of clothes, 28x28 grey.

    Args:
        root: The folder with the four `.gz` files, or one to download them into.
        image_size: As `ArrayClassData`, like all that follow.
        resize_mode: "
        val_share: "
        batch_size: "
        num_workers: "
        augment: "
        class_names: "
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
        resize_mode: ResizeMode = "stretch",
        val_share: float = 0.05,
        batch_size: int = 128,
        num_workers: int = 0,
        augment: Augmentation = "none",
        class_names: list[str] | None = None,
    ) -> None:
        super().__init__(
            image_size, resize_mode, val_share, batch_size, num_workers, augment, class_names
        )
        self.root = Path(root)

    def read(self) -> tuple[Arrays, Arrays]:
        """See `ArrayClassData.read`."""
        return fashion_mnist(self.root)


class CIFAR10Data(ArrayClassificationData):
    """CIFAR-10: 50,000 training and 10,000 test images of ten kinds of things, 32x32 RGB.

    Args:
        root: The folder that holds `cifar-10-batches-py`, or one to download it into.
        image_size: As `ArrayClassData`, like all that follow.
        resize_mode: "
        val_share: "
        batch_size: "
        num_workers: "
        augment: "
        class_names: "
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
        resize_mode: ResizeMode = "stretch",
        val_share: float = 0.05,
        batch_size: int = 128,
        num_workers: int = 0,
        augment: Augmentation = "small",
        class_names: list[str] | None = None,
    ) -> None:
        super().__init__(
            image_size, resize_mode, val_share, batch_size, num_workers, augment, class_names
        )
        self.root = Path(root)

    def read(self) -> tuple[Arrays, Arrays]:
        """See `ArrayClassData.read`."""
        return cifar10(self.root)


class ScenesClassificationData(ClassificationData):
    """Procedural scenes (`visus.vision.scenes`), named by their shape, or by all shapes in them.

    Args:
        count: Training images; a quarter as many for validation, and again for test.
        image_size: (height, width) in pixels.
        multi_label: Several shapes an image, each a label, instead of one.
        seed: Chooses the images.
        batch_size: Images a batch and process.
        num_workers: Processes that load; one for each core beyond the first by default.
        class_names: The classes as a checkpoint states them.
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
        workers = default_workers() if num_workers is None else num_workers
        super().__init__(batch_size, workers, "none")
        self.count = count
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.multi_label = multi_label
        self.seed = seed
        self.class_names = tuple(class_names or SHAPES)
        self.class_counts = None
        self.in_channels = 3
        self.resize_mode = "stretch"

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `ClassificationData.dataset`."""
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
    images: NDArray[np.uint8], labels: NDArray[np.int64], share: float
) -> NDArray[np.bool_]:
    hashes = [content_hash(image.tobytes()) for image in images]
    return np.array(held_out(hashes, labels.tolist(), share))
