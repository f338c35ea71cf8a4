"""The registry of visus's own and users' backbones; every other name is timm's."""

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
    """Add a function that builds a backbone to the registry, under the function's name.

    The function takes `in_channels` (channels of the images) and `image_size` ((height, width) in
    pixels, or None), and returns a `Backbone`. Its other parameters are the options of
    `--model.backbone_options` and need defaults. `StagedBackbone` does the rest for a chain of
    modules; other networks derive from `Backbone`.

    Example:
        >>> from torch import nn
        >>> from visus.models.backbones import StagedBackbone, create_backbone, register_backbone
        >>> @register_backbone
        ... def examplenet(in_channels=3, image_size=None, width=8):
        ...     def block(before, after):
        ...         return nn.Sequential(nn.Conv2d(before, after, 3, 2, 1), nn.ReLU())
        ...     def head(features, classes, dropout):
        ...         pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout)]
        ...         return nn.Sequential(*pool, nn.Linear(2 * width, classes))
        ...     stages = [block(in_channels, width), block(width, 2 * width)]
        ...     size = image_size or (32, 32)
        ...     return StagedBackbone(
        ...         "examplenet", stages, (width, 2 * width), (2, 4), head, in_channels, size, "he"
        ...     )
        >>> create_backbone("examplenet", in_channels=1, width=4).channels
        (4, 8)

    Detectors, segmenters and captioners choose maps by stride: a backbone for them needs maps of
    strides 4, 8, 16 and 32. `visus inspect NAME --input 3x32x32` shows its layers.

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
        name: A registered one (`lenet5`, `convnet`, `alexnet`, `resnet9`, `googlenet`) or any
            timm model that offers feature maps.
        in_channels: Channels of the images.
        pretrained: `True` for ImageNet weights (from an installed package where one carries them,
            otherwise from timm's hub), or the path of a weights file.
        image_size: (height, width) of the images in pixels, for the networks that need it.
        output_stride: See `visus.models.backbones.timm_nets.TimmBackbone`.
        coarsest_stride: See `visus.models.backbones.timm_nets.TimmBackbone`; registered networks
            are small and are not cut.
        options: Options of a registered network, such as `activation` and `init`.

    Raises:
        VisusError: If the name or an option is unknown, or there are no such weights.
    """
    from visus.models.backbones.timm_nets import TimmBackbone

    if name in _REGISTRY:
        if pretrained:
            raise VisusError(
                f"backbone {name!r} has no pretrained weights; set pretrained to false, "
                "or choose one that `visus backbones` lists with weights"
            )
        if output_stride != 32:
            raise VisusError(f"backbone {name!r} cannot be dilated; choose one of timm's")
        _refuse_options(name, options)
        return _REGISTRY[name](in_channels=in_channels, image_size=image_size, **options)
    _refuse_options(name, options)
    return TimmBackbone(name, in_channels, pretrained, image_size, output_stride, coarsest_stride)


def accepted_options(name: str) -> set[str]:
    """Names of the options that a backbone takes; see `option_defaults`."""
    return set(option_defaults(name))


def option_defaults(name: str) -> dict[str, Any]:
    """The options that a backbone takes, with their defaults; timm's take none.

    Raises:
        VisusError: If the name is unknown.
    """
    _refuse_unknown(name)
    if name not in _REGISTRY:
        return {}
    parameters = inspect.signature(_REGISTRY[name]).parameters
    names = [key for key in parameters if key not in ("in_channels", "image_size")]
    return {key: parameters[key].default for key in names}


def _refuse_unknown(name: str) -> None:
    """Raise a `VisusError` that names similar backbones if there is none of that name."""
    import timm

    if name not in _REGISTRY and not timm.is_model(name):
        near = difflib.get_close_matches(name, list_backbones(), 3)
        hint = f"did you mean {', '.join(near)}?" if near else "see `visus backbones`"
        raise VisusError(f"backbone {name!r} is unknown; {hint}")


def _refuse_options(name: str, options: dict[str, Any]) -> None:
    """Raise a `VisusError` that names the accepted options if another one is given."""
    accepted = accepted_options(name)
    unknown = sorted(set(options) - accepted)
    if not unknown:
        return
    if accepted:
        near = difflib.get_close_matches(unknown[0], accepted, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        remedy = f"it takes {', '.join(sorted(accepted))}{hint}"
    else:
        remedy = (
            f"it takes none; only {', '.join(filter(accepted_options, _REGISTRY))} take options"
        )
    raise VisusError(f"backbone {name!r} takes no option {unknown[0]!r}; {remedy}")


def list_backbones(pattern: str = "*") -> list[str]:
    """Names that match a shell pattern, registered ones first."""
    import timm

    own = [name for name in _REGISTRY if fnmatch(name, pattern)]
    return own + timm.list_models(pattern)


def is_own_backbone(name: str) -> bool:
    """Whether the name is a registered network, not timm's."""
    return name in _REGISTRY
