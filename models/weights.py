"""Published weights, loaded into networks."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from visus.models.weights_entry import WeightsEntry
from visus.models.weights_manifest import IMAGENET
from visus.vision.errors import VisusError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def carried_imagenet_weights(
    backbone: str, shapes: "Mapping[str, torch.Size]"
) -> "dict[str, Tensor] | None":
    """ImageNet weights for a backbone from an installed package, under the backbone's own keys.

    Args:
        backbone: Its name.
        shapes: Its keys and their shapes, in order: the installed file has the same tensors in the
            same order under other names.

    Returns:
        The state dictionary, or None if no installed package contains it.

    Raises:
        VisusError: If the file's hash or a shape differs.
    """
    for entry in IMAGENET:
        if entry.network == backbone and entry.find():
            path = entry.path()
            # Imported late, so that the manifest can be listed without torch.
            from visus.models.weights_file import read_weights

            tensors = list(read_weights(str(path)).values())
            if [tensor.shape for tensor in tensors] != list(shapes.values()):
                raise VisusError(f"{path}: its tensors are not those of {backbone!r}; update timm")
            return dict(zip(shapes, tensors, strict=True))
    return None


def has_imagenet_weights(backbone: str) -> bool:
    """Whether an installed package contains ImageNet weights for a backbone."""
    return any(entry.network == backbone and entry.find() for entry in IMAGENET)


def carrying_package(backbone: str) -> str:
    """The pip package with ImageNet weights for a backbone; empty if there is none."""
    return next((entry.package for entry in IMAGENET if entry.network == backbone), "")


def load_ready_made(
    network: "torch.nn.Module", entry: WeightsEntry, pretrained: bool | str
) -> None:
    """Load published weights into one of torchvision's networks.

    Args:
        network: As torchvision builds it for these weights.
        entry: The manifest's entry of the weights.
        pretrained: `True` for the manifest's file, or the path of another.

    Raises:
        VisusError: If the file is not available or cannot be read, or its tensors are others.
    """
    import torch

    from visus.models.weights_file import read_weights

    path = str(pretrained if isinstance(pretrained, str) else entry.path())
    state = read_weights(path)
    expected = network.state_dict()
    for key, value in expected.items():
        # Frozen batch norm has no such counters.
        if key.endswith("num_batches_tracked"):
            state.setdefault(key, torch.zeros_like(value))
    wrong = [k for k, v in expected.items() if k not in state or state[k].shape != v.shape]
    if wrong or len(state) != len(expected):
        example = wrong[0] if wrong else next(key for key in state if key not in expected)
        raise VisusError(
            f"pretrained {path!r}: its tensors are not those of {entry.network} ({example})"
        )
    network.load_state_dict(state)
