"""The data set of aligned faces, which are cropped when they are needed."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from visus.datamodules.core.loading import Batch, SourceDataset, to_tensor
from visus.datamodules.face_recognition.augment import FaceTransform
from visus.datamodules.face_recognition.files import FaceImage
from visus.vision.faces.alignment import align_face, template
from visus.vision.faces.found import FoundFaces
from visus.vision.images import ImageError, Pixels, read_image
from visus.vision.resize import resize_to_input


class FaceDataset(SourceDataset[tuple[Pixels, FoundFaces], FaceTransform]):
    """Aligned faces of people.

    Args:
        sources: The images.
        size: (height, width) of aligned faces in pixels.
        align: Whether to align faces by their landmarks; false where images are aligned faces.
        transform: Augmentation for training; None for evaluation.
        names: The people, in the order of their ids; by default those of the images by name.

    Attributes:
        people: The id of the person of each image.
    """

    def __init__(
        self,
        sources: Sequence[FaceImage],
        size: tuple[int, int],
        align: bool,
        transform: FaceTransform | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        read = partial(read_face, size=size, align=align)
        super().__init__(sources, read, size, "stretch", 3, transform)
        names = sorted({image.person for image in sources}) if names is None else names
        ids = {name: i for i, name in enumerate(names)}
        self.people = [ids[image.person] for image in sources]

    def __getitem__(self, index: int) -> Batch:
        """One sample: `image`, `source`, `name`; `person` in training, otherwise `geometry`."""
        item: Batch = {"source": self.name(index), "name": self.sources[index].person}
        face, detected = self.read(self.sources[index])
        if self.transform is None:
            item["geometry"] = detected
        else:
            face = self.transform(face)
            item["person"] = torch.tensor(self.people[index])
        item["image"] = to_tensor(face)
        return item


def read_face(image: FaceImage, size: tuple[int, int], align: bool) -> tuple[Pixels, FoundFaces]:
    """The aligned face of an image, black where it shows none, and the detected face.

    Args:
        image: The image.
        size: (height, width) of the aligned face in pixels.
        align: False where the image is an aligned face.
    """
    if not align:
        try:
            pixels = read_image(image.path)
        except ImageError:
            # In evaluation every pair counts; the data module has warned of it.
            return _no_face(size, "cannot be read")
        return resize_to_input(pixels, size, "stretch")[0], _whole_image(pixels)
    if image.face is None:
        return _no_face(size, "no face")
    return align_face(read_image(image.path), image.face.landmarks[0], size), image.face


def _no_face(size: tuple[int, int], problem: str) -> tuple[Pixels, FoundFaces]:
    blank = np.zeros((*size, 3), np.uint8)
    return blank, replace(_whole_image(blank), problems=(problem,))


def _whole_image(image: Pixels) -> FoundFaces:
    """An image that is an aligned face."""
    size = (image.shape[0], image.shape[1])
    box = np.array([[0, 0, size[1], size[0]]], np.float32)
    landmarks = template(size)[None].astype(np.float32)
    return FoundFaces(box, np.ones(1, np.float32), landmarks, size)
