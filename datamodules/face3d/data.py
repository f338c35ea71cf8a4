"""Endless rendered faces, each with the numbers that it was made of; perhaps photographs too."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from visus.datamodules.core.base import VisionDataModule, raise_or_warn
from visus.datamodules.core.loading import Batch, default_workers
from visus.datamodules.core.splits import scene_seeds, split_samples
from visus.datamodules.face3d.photographs import PhotographedFace, Photographs, find_photographed
from visus.datamodules.face3d.renders import FaceRenderer
from visus.models.face3d.face_model import FaceModel, five_points
from visus.models.face3d.face_models import open_face_model
from visus.vision.errors import VisusError
from visus.vision.faces.crop import FaceCrops
from visus.vision.faces.found import FoundFaces

_HELD_OUT = 0.1
"""Share of the photographs that are not trained on."""


class FaceRendersData(VisionDataModule[str]):
    """Faces rendered from a face model: nothing to download but the model.

    Identity, expression, pose, light, skin, hair, background and what covers a face are chosen at
    random. Training never shows an image twice; validation and test have their own.

    Args:
        face_model: `ict-facekit` (see `visus weights`), `procedural`, or a file of your own.
        landmarks: A text file of 68 vertex numbers, where your model has none.
        components: Identity components to use.
        expressions: Names of the expressions to use; all by default.
        count: Training images an epoch; a quarter as many for validation, and again for test.
        image_size: (height, width) in pixels.
        seed: Chooses the images.
        batch_size: Images a batch and process.
        num_workers: Processes that render; one for each core beyond the first by default.
        photographs: A folder of photographs of people: the five points that a face finder sees in
            them teach too. A tenth is held out for validation and test.
        photographs_per_batch: Of their faces, beside the renders of a batch.

    Attributes:
        model_digest: Tells the face model from others.
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
    ) -> None:
        workers = default_workers() if num_workers is None else num_workers
        super().__init__(batch_size, workers, "none")
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
        if photographs_per_batch < 1:
            raise VisusError(
                f"data.photographs_per_batch {photographs_per_batch} must be at least 1; leave "
                "data.photographs out to train on renders alone"
            )
        self.photographs_per_batch = photographs_per_batch

    @cached_property
    def head(self) -> FaceModel:
        """The whole head with the components and expressions that are used."""
        model = open_face_model(self.face_model, self.landmarks)
        return model.choose(self.components, tuple(self.given_expressions or ()))

    @property
    def expressions(self) -> list[str]:
        """The names of the expressions that are used."""
        return list(self.head.expression_names)

    @property
    def model_digest(self) -> str:
        """Of the face that is reconstructed."""
        return self.head.face.digest

    @cached_property
    def photographed(self) -> dict[str, list[PhotographedFace]]:
        """The faces in photographs of each split; found when first asked for.

        Raises:
            VisusError: If there are none to train on.
        """
        if self.photographs is None:
            return {}
        faces, problems = find_photographed(self.photographs)
        raise_or_warn(problems, skip_bad=True)
        self.skipped = len(problems)
        splits = split_samples(faces, lambda face: (), _HELD_OUT, 0, evaluate_all=False)
        if not splits["train"]:
            raise VisusError(
                f"data.photographs {str(self.photographs)!r}: shows no face to train on; give "
                "photographs of faces from the front, 32 pixels wide or more"
            )
        return splits

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionData.dataset`."""
        seeds = scene_seeds(split, self.count, self.seed)
        renderer = FaceRenderer(self.head, self.image_size)
        faces = self.photographed.get(split)
        each = self.photographs_per_batch
        photographs = Photographs(faces, self.image_size, each) if faces else None
        return RenderDataset(renderer, seeds, photographs, endless=split == "train")


class RenderDataset(Dataset[Batch]):
    """Images of faces, rendered a batch at a time, perhaps with photographs beside them.

    Args:
        renderer: Makes them.
        seeds: One for each image.
        photographs: None for renders alone.
        endless: Whether each look at an image gives another one, and each batch has other
            photographs; otherwise each render and each photograph is shown once.
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
        """How many renders."""
        return len(self.seeds)

    def __getitems__(self, indices: list[int]) -> Batch:
        """A batch: `image`, `source`, `fit`, the truth as `FaceTruth` names it, `Photographs`."""
        seeds = [self.seeds[i] for i in indices]
        if self.endless:
            # PyTorch's generator differs between epochs and workers, and repeats with the seed; the
            # images' own seeds differ between processes. All stay below those of other splits.
            start = int(torch.randint(10**8, ()))
            seeds = [(start + seed) % 10**8 for seed in seeds]
        images, truth = self.renderer(seeds)
        marks = five_points(truth.landmarks)
        batch: Batch = {name: torch.from_numpy(values) for name, values in vars(truth).items()}
        if self.photographs is not None and self.endless:
            rng = np.random.default_rng(seeds)
            batch |= self.photographs.at_random(rng)
        elif self.photographs is not None:
            batch |= self.photographs.exactly(indices)
        return {
            **batch,
            "image": torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))),
            "source": [str(seed) for seed in seeds],
            "geometry": [_whole_image(points, self.renderer.size) for points in marks],
        }


def _whole_image(points: NDArray[np.float32], size: tuple[int, int]) -> FaceCrops:
    """The one face of a render, which is cut out already."""
    low, high = points.min(0), points.max(0)
    boxes = np.concatenate([low, high])[None].astype(np.float32)
    found = FoundFaces(boxes, np.ones(1, np.float32), points[None], size)
    return FaceCrops(found, np.array([[0, 0, size[1]]], np.float32))
