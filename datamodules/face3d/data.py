"""Rendered faces with their coefficients as the truth, and optionally photographs beside them."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from visus.datamodules.core.base import VisionDataModule, raise_or_warn
from visus.datamodules.core.loading import Batch
from visus.datamodules.core.ranges import check_data_ranges
from visus.datamodules.core.splits import scene_seeds, split_samples
from visus.datamodules.face3d.photographs import (
    PhotographedFace,
    Photographs,
    detect_photographs,
)
from visus.datamodules.face3d.renders import FaceRenderer
from visus.models.face3d.face_model import FaceModel
from visus.models.face3d.face_models import open_face_model
from visus.vision.errors import VisusError
from visus.vision.faces.crop import FaceCrops
from visus.vision.images import Pixels

_HELD_OUT = 0.1
"""Fraction of the photographs for validation and test."""


class FaceRendersData(VisionDataModule[str]):
    """Faces rendered from a face model: nothing to download but the model.

    Identity, expression, pose, light, skin, hair, background and occluders are random. Training
    never shows an image twice; validation and test have fixed images of their own.

    Args:
        face_model: `ict-facekit` (see `visus weights`), `procedural`, or a file of your own.
        landmarks: A text file of 68 vertex indices, for a face model without landmarks.
        components: Number of identity components.
        expressions: Names of the expressions; all by default.
        count: Training images per epoch; validation and test have a quarter as many each.
        image_size: (height, width) of the crops in pixels.
        seed: Seed of the images.
        batch_size: Images per batch and process.
        num_workers: Processes that render; one for each core beyond the first by default.
        photographs: A folder of photographs of people: their faces are trained on too, with the
            five landmarks of the face detector. A tenth is held out for validation and test.
        photographs_per_batch: Faces in photographs beside the renders of a batch.
        photographs_by_person: Whether each subfolder of `photographs` holds those of one person,
            whose identity is then the same in all of them.

    Attributes:
        model_digest: Hash of the face that is reconstructed, `FaceModel.digest`.
    """

    class_names = ()
    in_channels = 3
    resize_mode = "stretch"

    def __init__(
        self,
        face_model: str = "ict-facekit",
        landmarks: str | None = None,
        components: int = 40,
        expressions: list[str] | None = None,
        count: int = 20000,
        image_size: tuple[int, int] = (128, 128),
        seed: int = 0,
        batch_size: int = 32,
        num_workers: int | None = None,
        photographs: str | None = None,
        photographs_per_batch: int = 16,
        photographs_by_person: bool = False,
    ) -> None:
        super().__init__(batch_size, num_workers, "none")
        check_data_ranges(
            components=components,
            count=count,
            image_size=image_size,
            seed=seed,
            photographs_per_batch=photographs_per_batch,
        )
        if image_size[0] != image_size[1]:
            raise VisusError(
                f"data.image_size {list(image_size)}: crops of faces are square; give it twice the "
                "same side"
            )
        self.face_model = face_model
        self.landmarks = landmarks
        self.components = components
        self.given_expressions = expressions
        self.count = count
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.seed = seed
        self.photographs = Path(photographs) if photographs else None
        self.photographs_per_batch = photographs_per_batch
        self.photographs_by_person = photographs_by_person

    @cached_property
    def head(self) -> FaceModel:
        """The whole head with the chosen components and expressions."""
        model = open_face_model(self.face_model, self.landmarks)
        return model.choose(self.components, tuple(self.given_expressions or ()))

    @property
    def expressions(self) -> list[str]:
        """Names of the expressions."""
        return list(self.head.expression_names)

    @property
    def model_digest(self) -> str:
        """Hash of the face that is reconstructed."""
        return self.head.face.digest

    @cached_property
    def photographed(self) -> Mapping[str, Sequence[PhotographedFace]]:
        """The faces in photographs of each split, detected when first needed.

        Raises:
            VisusError: If there are none to train on.
        """
        if self.photographs is None:
            return {}
        detected = detect_photographs(self.photographs, self.photographs_by_person)
        raise_or_warn(detected.problems, skip_bad=True)
        self.skipped = len(detected.problems)
        return split_samples(detected.faces, lambda face: (), _HELD_OUT, 0, evaluate_all=False)

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionDataModule.dataset`."""
        seeds = scene_seeds(split, self.count, self.seed)
        renderer = FaceRenderer(self.head, self.image_size)
        faces = self.photographed.get(split)
        count = self.photographs_per_batch
        photographs = Photographs(faces, self.image_size, count) if faces else None
        return RenderDataset(renderer, seeds, photographs, endless=split == "train")


class RenderDataset(Dataset[Batch]):
    """Images of faces, rendered a batch at a time, optionally with photographs beside them.

    Args:
        renderer: Renders them.
        seeds: One for each image.
        photographs: None for renders alone.
        endless: Whether an index gives another image each time, and each batch has random
            photographs; otherwise each render and each photograph occurs once.
    """

    def __init__(
        self,
        renderer: FaceRenderer,
        seeds: Sequence[int],
        photographs: Photographs | None,
        endless: bool,
    ) -> None:
        self.renderer = renderer
        self.seeds = seeds
        self.photographs = photographs
        self.endless = endless

    def __len__(self) -> int:
        """Number of renders."""
        return len(self.seeds)

    def index(self, name: str) -> int:
        """Index of the render with this name: its seed."""
        return self.seeds.index(int(name))

    def image(self, index: int) -> Pixels:
        """The render, uint8 of shape (height, width, 3)."""
        return np.asarray(self.renderer([self.seeds[index]])[0][0], np.uint8)

    def __getitems__(self, indices: list[int]) -> Batch:
        """A batch: `image`, `source`, `geometry`, the fields of `FaceTruth`, `Photographs`."""
        seeds = [self.seeds[i] for i in indices]
        if self.endless:
            # PyTorch's generator differs between epochs and workers, and repeats with the seed; the
            # images' own seeds differ between processes. All stay below those of other splits.
            start = int(torch.randint(10**8, ()))
            seeds = [(start + seed) % 10**8 for seed in seeds]
        images, truth = self.renderer(seeds)
        batch: Batch = {name: torch.from_numpy(values) for name, values in vars(truth).items()}
        if self.photographs is not None and self.endless:
            batch |= self.photographs.sample(np.random.default_rng(seeds))
        elif self.photographs is not None:
            batch |= self.photographs.select(indices)
        return {
            **batch,
            "image": torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))),
            "source": [str(seed) for seed in seeds],
            "geometry": [FaceCrops.of_crop(self.renderer.size) for _ in seeds],
        }
