"""Images with labelled objects: what all such data offer, and a user's own data set."""

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import numpy as np
from torch.utils.data import Dataset

from visus.datamodules.core.base import VisionDataModule, raise_or_warn
from visus.datamodules.core.detection_files import DetectionListing, Exif, Format, read_detection
from visus.datamodules.core.images import image_paths, typical_size, usable_images
from visus.datamodules.core.labels import LabelledImage
from visus.datamodules.core.loading import Batch, ImageDataset, default_workers
from visus.datamodules.core.splits import split_samples
from visus.datamodules.detection.anchors import AnchorShapes, fit_anchors
from visus.datamodules.detection.augment import BoxAugmentation, BoxTransform
from visus.datamodules.detection.dataset import DetectionDataset, object_boxes, read_sample
from visus.vision.errors import VisusError
from visus.vision.images import read_image
from visus.vision.metadata import ResizeMode
from visus.vision.resize import resize_to_input

_LONGEST_SIDE = 512


class DetectionData(VisionDataModule[BoxAugmentation]):
    """What all detection data offer; a subclass makes the data sets.

    Attributes:
        anchors: Shapes fitted to the boxes, see `visus.datamodules.detection.anchors`; None for the usual ones.
        masks: Whether samples have instance masks.
    """

    anchors: AnchorShapes | None = None
    masks: bool = False


class ImageDetectionData(DetectionData):
    """A user's own data set: COCO JSON, Pascal VOC XML or YOLO text.

    Args:
        root: See `visus.datamodules.core.detection_files.read_detection`.
        format: `coco`, `voc` or `yolo`; recognised by default.
        exif: What EXIF orientation means to the labels: `auto`, `apply` or `ignore`.
        image_size: (height, width); by default the images' own aspect, at most 512 pixels long.
        resize_mode: How images are brought to that size.
        val_share: Share held out for validation where the data set states no such split.
        fold: Which share, from 0, for cross-validation.
        batch_size: Images a batch and process.
        num_workers: Processes that load; one for each core beyond the first by default.
        augment: Random changes for training.
        anchors: `auto` fits the anchors of Faster R-CNN to the boxes.
        masks: Learn instance masks too, from polygons or run lengths.
        skip_bad: Leave out bad objects and images and count them, instead of refusing.
        class_names: The classes as a checkpoint states them; the data's own otherwise.
        in_channels: 3 for RGB, 1 for grey.
        evaluate_all: Validate and test on all images where the data set states no splits; the
            command line sets it for other data than a checkpoint was trained on.
    """

    def __init__(
        self,
        root: str,
        format: Format | None = None,
        exif: Exif = "auto",
        image_size: tuple[int, int] | None = None,
        resize_mode: ResizeMode = "letterbox",
        val_share: float = 0.2,
        fold: int = 0,
        batch_size: int = 4,
        num_workers: int | None = None,
        augment: BoxAugmentation = "boxes",
        anchors: Literal["default", "auto"] = "default",
        masks: bool = False,
        skip_bad: bool = False,
        class_names: list[str] | None = None,
        in_channels: int = 3,
        evaluate_all: bool = False,
    ) -> None:
        workers = default_workers() if num_workers is None else num_workers
        super().__init__(batch_size, workers, augment)
        if masks and augment == "mosaic":
            raise VisusError("data.augment mosaic moves no masks; use boxes with data.masks true")
        self.root = Path(root)
        self.format = format
        self.exif = exif
        self.given_size = image_size
        self.resize_mode = resize_mode
        self.val_share = val_share
        self.fold = fold
        self.given_anchors = anchors
        self.masks = masks
        self.skip_bad = skip_bad
        self.given_names = class_names
        self.in_channels = in_channels
        self.evaluate_all = evaluate_all

    @cached_property
    def listing(self) -> DetectionListing:
        """The images, checked; problems are told once."""
        listing = read_detection(self.root, self.format, self.given_names, self.exif)
        raise_or_warn(listing.problems, self.skip_bad)
        self.skipped = listing.left_out
        if self.masks:
            self._refuse_bare_boxes(listing.images)
        return listing

    def _refuse_bare_boxes(self, images: Sequence[LabelledImage]) -> None:
        objects = [item for image in images for item in image.objects if not item.ignored]
        bare = [item for item in objects if not item.has_mask]
        if bare:
            raise VisusError(
                f"data.masks true: {len(bare)} of {len(objects)} objects have no polygon or run "
                f"lengths, the first is {bare[0].place}; add them, or set data.masks to false"
            )

    @cached_property
    def splits(self) -> dict[str, list[LabelledImage]]:
        """The images of each split."""
        return split_samples(
            self.listing.images, _kinds, self.val_share, self.fold, self.evaluate_all
        )

    @property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The checkpoint's classes, or the data's own."""
        return self.listing.class_names

    @cached_property
    def image_size(self) -> tuple[int, int]:  # type: ignore[override]
        """The size given, or the middle aspect of the images, in multiples of 32."""
        if self.given_size is not None:
            return int(self.given_size[0]), int(self.given_size[1])
        return typical_size([image.size for image in self.listing.images], _LONGEST_SIDE)

    @property
    def anchors(self) -> AnchorShapes | None:  # type: ignore[override]
        """Shapes fitted to the training boxes where asked for."""
        if self.given_anchors == "default":
            return None
        shapes = []
        for image in self.splits["train"]:
            boxes = object_boxes(image.objects)
            blank = np.zeros((*image.size, 1), np.uint8)
            mapping = resize_to_input(blank, self.image_size, self.resize_mode)[1]
            corners = mapping.points_from_source(boxes.reshape(-1, 2, 2))
            shapes.append(corners[:, 1] - corners[:, 0])
        return fit_anchors(np.concatenate(shapes))

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionData.dataset`; predictions need a folder of images, no labels."""
        if split == "predict":
            paths, problems = usable_images(image_paths(self.root), self.in_channels)
            raise_or_warn(problems, self.skip_bad)
            return ImageDataset(
                paths, read_image, None, self.image_size, self.resize_mode, self.in_channels
            )
        names = {name: i for i, name in enumerate(self.class_names)}
        read = partial(read_sample, class_ids=names, masks=self.masks)
        transform = None
        if split == "train":
            transform = BoxTransform(self.augment, self.image_size, self.resize_mode)
        images = self.splits[split]
        return DetectionDataset(
            images, read, self.image_size, self.resize_mode, self.in_channels, transform
        )


def _kinds(image: LabelledImage) -> tuple[str, ...]:
    """The kinds of objects in an image."""
    return tuple(sorted({item.label for item in image.objects}))
