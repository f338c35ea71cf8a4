"""Networks that are built for one image size: let them take other sizes, or refuse these."""

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import timm
import torch
from torch import Tensor, nn

from visus.vision.errors import VisusError


def allow_other_sizes(network: nn.Module, name: str, built_for: tuple[int, int]) -> None:
    """Let a network of a fixed input size take other sizes, such as smaller training images.

    At the size that it was built for the network computes exactly as before. At another one,
    vision transformers interpolate their position embeddings to the grid of patches, window
    transformers recompute their attention masks, and pixels beyond the last whole patch are
    cut off. A network of another family that needs one size raises a `VisusError`.

    Args:
        network: One of timm's, or timm's feature extractor around one.
        name: timm's name of it.
        built_for: (height, width) in pixels.
    """
    if any(getattr(module, "dynamic_img_size", False) for module in network.modules()):
        # timm built it for any size.
        return
    network.register_forward_pre_hook(partial(_before_forward, name, built_for))
    network.register_forward_hook(partial(_after_forward, built_for))


def _before_forward(
    name: str, built_for: tuple[int, int], network: nn.Module, inputs: tuple[Tensor]
) -> tuple[Tensor] | None:
    height, width = inputs[0].shape[2:]
    if (height, width) == built_for:
        return None
    if not _set_dynamic(network, True):
        if not _takes(name, built_for, (height, width)):
            raise VisusError(
                f"backbone {name!r} was built for images of {built_for[0]} x {built_for[1]} and "
                f"cannot take {height} x {width}; train at the full size (data.train_scale 1, no "
                "data.crop_size), or choose another backbone"
            )
        return None
    rows, columns = _patch_size(network)
    return (inputs[0][:, :, : height // rows * rows, : width // columns * columns],)


def _after_forward(
    built_for: tuple[int, int], network: nn.Module, inputs: tuple[Tensor], output: Any
) -> None:
    if tuple(inputs[0].shape[2:]) != built_for:
        _set_dynamic(network, False)


def _set_dynamic(network: nn.Module, dynamic: bool) -> bool:
    """Switch a transformer between one image size and any; False if it has no such switch.

    This sets what timm's `dynamic_img_size` and `strict_img_size` set when a network is built.
    Networks built with these would interpolate in exported files even at an equal size.
    """
    switched = False
    modules: Iterator[Any] = network.modules()
    for module in modules:
        if hasattr(module, "dynamic_mask"):
            module.dynamic_mask = dynamic
            switched = True
        # Rotary embeddings are computed for one grid when the network is built.
        elif hasattr(module, "_pos_embed") and hasattr(module, "dynamic_img_size"):
            if getattr(module, "rope", None) is None:
                module.dynamic_img_size = dynamic
                module.patch_embed.flatten = not dynamic
                module.patch_embed.output_fmt = "NHWC" if dynamic else "NCHW"
                switched = True
    if switched:
        _patch_embedding(network).strict_img_size = not dynamic
    return switched


def _patch_embedding(network: nn.Module) -> Any:
    return next(module for module in network.modules() if hasattr(module, "strict_img_size"))


def _patch_size(network: nn.Module) -> tuple[int, int]:
    """(height, width) in pixels of the image."""
    patches = _patch_embedding(network)
    if hasattr(patches, "feat_ratio"):
        patch = patches.feat_ratio(as_scalar=False)
    else:
        patch = patches.patch_size
    return int(patch[0]), int(patch[1])


@cache
def _takes(name: str, built_for: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether a network built for one size takes another; tried without allocating weights."""
    try:
        with torch.device("meta"), torch.no_grad():
            timm.create_model(name, img_size=built_for).eval()(torch.empty(1, 3, *size))
    except Exception:
        # Each family of networks raises its own errors: assertions, shape errors...
        return False
    return True
