"""The network behind a model or a backbone by name, for `visus inspect`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from visus.apps.inference.backends import exported_suffixes
from visus.apps.inference.loading import load_model
from visus.apps.parsing import CommandError, did_you_mean
from visus.apps.runs import BUNDLE, find_model
from visus.models.backbones import list_backbones
from visus.models.backbones.classifier import create_classifier
from visus.models.inspection.subject import Subject
from visus.tasks.torch_network import torch_task
from visus.vision.busy_cores import AdaptiveThreads
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.resize import resize_to_input, to_channels, to_planes

if TYPE_CHECKING:
    from visus.vision.model import Model

_CLASSES = 10
"""Classes of a backbone that is built for inspection."""


@dataclass(frozen=True, eq=False)
class InspectedNetwork:
    """A network that can be inspected on any image.

    Attributes:
        name: As the user gave it.
        network: Its layers are shown.
        forward: See `Subject.forward`.
        shape: (channels, height, width) of its input.
        class_names: One name for each class.
        scores: See `Subject.scores`.
        backbone: See `Subject.backbone`.
        to_input: From an image to uint8 (1, channels, height, width).
        description: What it predicts, in words.
        model: The trained model; None for a backbone with random weights.
    """

    name: str
    network: nn.Module
    forward: Callable[[Tensor], tuple[Tensor, ...]]
    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    scores: Callable[[tuple[Tensor, ...]], Tensor] | None
    backbone: nn.Module
    to_input: Callable[[Pixels], NDArray[np.uint8]]
    description: str
    model: "Model | None" = None

    def subject(self, image: NDArray[np.uint8]) -> Subject:
        """The network with an input of `to_input`."""
        return Subject(
            self.network,
            self.forward,
            torch.from_numpy(image),
            self.class_names,
            self.scores,
            self.backbone,
        )


def load_inspected(name: str, shape: tuple[int, int, int] | None = None) -> InspectedNetwork:
    """A trained model in PyTorch, or a backbone with random weights.

    Args:
        name: See `visus.apps.runs.find_model`; or a name from `visus backbones`.
        shape: (channels, height, width) of a backbone's input, (3, 224, 224) by default.

    Raises:
        VisusError: If there is neither, the model is an exported file, or the shape does not suit.
    """
    try:
        found = find_model(name)
    except VisusError:
        known = list_backbones()
        if name in known:
            return _backbone(name, shape or (3, 224, 224))
        remedy = did_you_mean(name, known)
        if not remedy:
            raise
        raise CommandError(f"{name!r} is neither a model nor a backbone{remedy}") from None
    if isinstance(found, Path) and (
        found.name == BUNDLE or found.suffix.lower() in exported_suffixes()
    ):
        raise CommandError(
            f"{name}: is an exported file, which has no layers to show; name the checkpoint or "
            "the run folder that it was exported from"
        )
    model = load_model(name, "torch")
    if shape is not None:
        task = torch_task(model, "visus inspect")
        own = "x".join(map(str, (task.in_channels, *task.image_size)))
        raise CommandError(f"--input is for backbones; the model {name!r} takes {own}")
    return inspect_model(name, model)


def inspect_model(name: str, model: "Model") -> InspectedNetwork:
    """A trained model in PyTorch, which moves to the CPU.

    Args:
        name: Its name for the user.
        model: With its pipeline.

    Raises:
        VisusError: If it is exported.
    """
    task = torch_task(model, "visus inspect").cpu()
    state_shapes = task.metadata.state_shapes
    threads = AdaptiveThreads(torch.set_num_threads)

    def forward(images: Tensor) -> tuple[Tensor, ...]:
        threads.update()
        # A network for clips sees the image as the first frame of a stream.
        state = [torch.zeros(len(images), *shape) for shape in state_shapes]
        outputs: tuple[Tensor, ...] = task(images, *state)
        return outputs

    def to_input(image: Pixels) -> NDArray[np.uint8]:
        channels = task.in_channels
        if image.shape[2] != channels and (image.shape[2], channels) != (3, 1):
            raise VisusError(
                f"an image of {image.shape[2]} channels, where {name} takes {channels}"
            )
        batch = model.network_inputs(image)
        if not len(batch):
            raise VisusError(f"{name}: its pipeline finds nothing in the image that it could show")
        return batch[:1]

    return InspectedNetwork(
        name,
        task.network,
        forward,
        (task.in_channels, *task.image_size),
        tuple(task.class_names),
        task.spec.class_scores(task),
        task.backbone,
        to_input,
        task.describe_outputs(),
        model,
    )


def _backbone(name: str, shape: tuple[int, int, int]) -> InspectedNetwork:
    channels, height, width = shape
    torch.manual_seed(0)
    network, described = create_classifier(name, _CLASSES, channels, image_size=(height, width))
    network.eval()
    mean = torch.tensor(described.mean).view(1, -1, 1, 1)
    std = torch.tensor(described.std).view(1, -1, 1, 1)

    def to_input(image: Pixels) -> NDArray[np.uint8]:
        try:
            resized = to_channels(resize_to_input(image, (height, width), "crop")[0], channels)
        except ValueError as error:
            raise VisusError(f"{error}; give --input the channels of the image") from None
        return to_planes(resized)[None]

    return InspectedNetwork(
        name,
        network,
        lambda images: (network((images.float() - mean) / std),),
        shape,
        tuple(f"class {i}" for i in range(_CLASSES)),
        lambda outputs: outputs[0].softmax(1),
        network.get_submodule("body"),
        to_input,
        f"{_CLASSES} classes",
    )
