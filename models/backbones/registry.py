"""One dictionary of our own backbones; every other name is timm's."""

import difflib
import inspect
from collections.abc import Callable
from fnmatch import fnmatch
from typing import Any, TypeVar

from visus.models.backbones.base import Backbone
from visus.vision.errors import VisusError

Builder = TypeVar("Builder", bound=Callable[..., Backbone])

_REGISTRY: dict[str, Callable[..., Backbone]] = {}


def register_backbone(builder: Builder) -> Builder:
    """Add a function `(in_channels, image_size, **options) -> Backbone` under its own name.

    Raises:
        ValueError: If the name is taken.
    """
    name = builder.__name__
    if name in _REGISTRY:
        raise ValueError(f"a backbone named {name!r} is registered already; choose another name")
    _REGISTRY[name] = builder
    return builder


def create_backbone(
    name: str,
    in_channels: int = 3,
    pretrained: bool | str = False,
    image_size: tuple[int, int] | None = None,
    output_stride: int = 32,
    coarsest_stride: int | None = None,
    **options: Any,
) -> Backbone:
    """Build a backbone by name.

    Args:
        name: One of ours (`lenet5`, `convnet`, `alexnet`, `resnet9`) or any timm model that
            gives features.
        in_channels: Channels of the images.
        pretrained: `True` for ImageNet weights (from an installed package where one carries them,
            otherwise from timm's hub), or the path of a weights file.
        image_size: (height, width) of the images in pixels, for the networks that need it.
        output_stride: See `visus.models.backbones.timm_nets.TimmBackbone`.
        coarsest_stride: " Our own networks are small and stay whole.
        options: For our own networks: `activation` and `init`.

    Raises:
        VisusError: If the name is unknown, or there are no such weights.
    """
    import timm

    from visus.models.backbones.timm_nets import TimmBackbone

    if name in _REGISTRY:
        if pretrained:
            raise VisusError(
                f"backbone {name!r} has no pretrained weights; set pretrained to false, "
                "or choose one that `visus backbones` lists with weights"
            )
        if output_stride != 32:
            raise VisusError(f"backbone {name!r} cannot be dilated; choose one of timm's")
        foreign = sorted(set(options) - accepted_options(name))
        if foreign:
            known = ", ".join(sorted(accepted_options(name))) or "none"
            raise VisusError(f"backbone {name!r} takes no option {foreign[0]!r}; it takes: {known}")
        return _REGISTRY[name](in_channels=in_channels, image_size=image_size, **options)
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, list_backbones(), 3)
        hint = f"did you mean {', '.join(near)}?" if near else "see `visus backbones`"
        raise VisusError(f"backbone {name!r} is unknown; {hint}")
    if options:
        raise VisusError(
            f"backbone {name!r} is timm's and takes no option {', '.join(options)}; "
            f"only {', '.join(sorted(_REGISTRY))} do"
        )
    return TimmBackbone(name, in_channels, pretrained, image_size, output_stride, coarsest_stride)


def accepted_options(name: str) -> set[str]:
    """Names of the options that a backbone takes; timm's take none."""
    if name not in _REGISTRY:
        return set()
    return set(inspect.signature(_REGISTRY[name]).parameters) - {"in_channels", "image_size"}


def list_backbones(pattern: str = "*") -> list[str]:
    """Names that match a shell pattern, our own first."""
    import timm

    own = [name for name in _REGISTRY if fnmatch(name, pattern)]
    return own + timm.list_models(pattern)


def is_own_backbone(name: str) -> bool:
    """Whether the name is one of our own networks, not timm's."""
    return name in _REGISTRY
