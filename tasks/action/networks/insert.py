"""Insert temporal layers into the residual blocks, or between the stages, of any backbone."""

from collections.abc import Callable, Iterator

from torch import nn

from visus.models.backbones.small import Residual
from visus.vision.errors import VisusError

Wrap = Callable[[nn.Conv2d], nn.Module]
"""From a convolution to a module that replaces it."""


def insert_before_convolutions(body: nn.Module, name: str, wrap: Wrap) -> int:
    """Replace the first convolution of each residual block, or else of each stage.

    Inside a residual block the shortcut still carries the unchanged features of the frame.

    Args:
        body: A backbone's body, which is changed.
        name: The backbone's name, for the error.
        wrap: See `Wrap`.

    Returns:
        The number of replaced convolutions.

    Raises:
        VisusError: If the backbone has neither residual blocks nor stages with convolutions.
    """
    places = [place for block in _residual_blocks(body) for place in _first_convolution(block)]
    if not places:
        places = [place for stage in _stages(body) for place in _first_convolution(stage)]
    if not places:
        raise VisusError(
            f"backbone {name!r} has neither residual blocks nor stages of convolutions for "
            "temporal layers; choose another, or model.architecture tsn or recurrent"
        )
    for parent, key, convolution in places:
        setattr(parent, key, wrap(convolution))
    return len(places)


def _residual_blocks(body: nn.Module) -> list[nn.Module]:
    """The blocks that add their input to their output, without those inside others."""
    found: list[nn.Module] = []
    inside: set[nn.Module] = set()
    for module in body.modules():
        # timm's blocks have a `drop_path` on their residual branch, or say whether they have one.
        residual = isinstance(module, Residual) or hasattr(module, "drop_path")
        if residual and getattr(module, "has_skip", True) and module not in inside:
            found.append(module)
            inside.update(module.modules())
    return found


def _stages(body: nn.Module) -> list[nn.Module]:
    """The parts of a body after the first one, which sees the image."""
    info = getattr(body, "feature_info", None)
    if info is not None:
        names = [each["module"] for each in info]
        return [body.get_submodule(name) for name in names[1:]]
    return list(body.children())[1:]


def _first_convolution(block: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Conv2d]]:
    """The module that holds the first convolution, the name in it, and the convolution."""
    for parent in block.modules():
        for key, child in parent.named_children():
            # The shortcut of a block that changes the size carries the frame, too.
            if isinstance(child, nn.Conv2d) and "downsample" not in key:
                yield parent, key, child
                return
