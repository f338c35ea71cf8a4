"""MTCNN: three networks that detect faces from coarse to fine, with five landmarks each.

Zhang et al. 2016, "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional
Networks". `visus.vision.faces.detection` runs the cascade on an image.
"""

import io
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from visus.models.weights_manifest import PARTS
from visus.vision.errors import VisusError
from visus.vision.faces.detection import FaceStages, Network


class _Stage(nn.Module):
    """A stage that takes uint8 images and normalises them, so that all runtimes feed it alike."""

    def normalise(self, images: Tensor) -> Tensor:
        """Scale uint8 images to the range -1 to 1."""
        return (images.float() - 127.5) / 128


class ProposalNet(_Stage):
    """P-Net: scores windows of 12 x 12 pixels over a whole image, with a stride of two pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, 10, 3), nn.PReLU(10), nn.MaxPool2d(2, 2, ceil_mode=True)),
            *(nn.Conv2d(10, 16, 3), nn.PReLU(16), nn.Conv2d(16, 32, 3), nn.PReLU(32)),
        )
        self.shift = nn.Conv2d(32, 4, 1)
        self.score = nn.Conv2d(32, 2, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Propose regions.

        Args:
            images: uint8 of shape (batch, 3, height, width), at least 12 x 12 pixels.

        Returns:
            Scores (batch, rows, columns), 0 to 1, and offsets of each window's left, top, right
            and bottom in units of the window's side, (batch, 4, rows, columns).
        """
        features = self.layers(self.normalise(images))
        return self.score(features).softmax(1)[:, 1], self.shift(features)


class RefineNet(_Stage):
    """R-Net: classifies each proposal at 24 x 24 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, 28, 3), nn.PReLU(28), nn.MaxPool2d(3, 2, ceil_mode=True)),
            *(nn.Conv2d(28, 48, 3), nn.PReLU(48), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(48, 64, 2), nn.PReLU(64), nn.Flatten()),
            *(nn.Linear(64 * 3 * 3, 128), nn.PReLU(128)),
        )
        self.shift = nn.Linear(128, 4)
        self.score = nn.Linear(128, 2)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Classify proposals.

        Args:
            crops: uint8 of shape (batch, 3, 24, 24).

        Returns:
            Scores (batch,), 0 to 1, and offsets of the sides in units of the box's side,
            (batch, 4).
        """
        features = self.layers(self.normalise(crops))
        return self.score(features).softmax(1)[:, 1], self.shift(features)


class OutputNet(_Stage):
    """O-Net: classifies each face at 48 x 48 pixels and locates its eyes, nose and mouth."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, 32, 3), nn.PReLU(32), nn.MaxPool2d(3, 2, ceil_mode=True)),
            *(nn.Conv2d(32, 64, 3), nn.PReLU(64), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(64, 64, 3), nn.PReLU(64), nn.MaxPool2d(2, 2, ceil_mode=True)),
            *(nn.Conv2d(64, 128, 2), nn.PReLU(128), nn.Flatten()),
            *(nn.Linear(128 * 3 * 3, 256), nn.PReLU(256)),
        )
        self.shift = nn.Linear(256, 4)
        self.landmarks = nn.Linear(256, 10)
        self.score = nn.Linear(256, 2)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Classify faces and locate their landmarks.

        Args:
            crops: uint8 of shape (batch, 3, 48, 48).

        Returns:
            Scores (batch,), 0 to 1; offsets of the sides in units of the box's side, (batch, 4);
            landmarks (batch, 10) in units of the box's side from its top left corner: five x,
            then five y.
        """
        features = self.layers(self.normalise(crops))
        return self.score(features).softmax(1)[:, 1], self.shift(features), self.landmarks(features)


class FaceFinder(nn.Module):
    """The three stages, on one device.

    Attributes:
        propose: The first stage.
        refine: The second stage.
        output: The third stage.
    """

    def __init__(self) -> None:
        super().__init__()
        self.propose = ProposalNet()
        self.refine = RefineNet()
        self.output = OutputNet()

    def stages(self) -> FaceStages:
        """The stages as functions of arrays, for `visus.vision.faces.detection.find_faces`."""
        return FaceStages(*(_from_numpy(s) for s in (self.propose, self.refine, self.output)))

    def export_examples(self) -> dict[str, tuple[nn.Module, int, bool]]:
        """Example inputs for exporting the stages.

        Returns:
            For each stage's name the network, the side of an example image in pixels, and whether
            it takes images of any size.
        """
        return {
            "propose": (self.propose, 48, True),
            "refine": (self.refine, 24, False),
            "output": (self.output, 48, False),
        }


def _from_numpy(stage: nn.Module) -> Network:
    def run(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        device = next(stage.parameters()).device
        with torch.inference_mode():
            outputs = stage(torch.from_numpy(images).to(device))
        return tuple(output.cpu().numpy() for output in outputs)

    return run


def create_face_finder(pretrained: bool = True) -> FaceFinder:
    """MTCNN in evaluation mode.

    Args:
        pretrained: Whether to load the weights of the pip package `mtcnn`.

    Raises:
        VisusError: If the package is not installed or its files have other hashes.
    """
    finder = FaceFinder().eval()
    if pretrained:
        for name, stage in finder.named_children():
            entry = next(each for each in PARTS if each.name == f"mtcnn-{name}")
            path = entry.path()
            _load_keras_arrays(stage, read_arrays(path), path)
    return finder


def _load_keras_arrays(stage: nn.Module, arrays: Sequence[NDArray[Any]], path: Path) -> None:
    """Copy arrays into a stage's layers, in order; kernels are (rows, columns, in, out)."""
    expected = list(stage.parameters())
    if len(arrays) != len(expected):
        raise VisusError(f"{path}: holds {len(arrays)} arrays, not {len(expected)}")
    with torch.no_grad():
        for parameter, array in zip(expected, arrays, strict=True):
            values = torch.from_numpy(np.array(array, np.float32))
            if values.ndim == 4:
                values = values.permute(3, 2, 0, 1)
            elif values.ndim == 2:
                values = values.T
                if values.shape[1] % 9 == 0:
                    # Flattened there as (column, row, channel), here as (channel, row, column).
                    values = values.reshape(len(values), 3, 3, -1).permute(0, 3, 2, 1).flatten(1)
            if parameter.ndim == 1:
                values = values.flatten()
            if values.shape != parameter.shape:
                raise VisusError(
                    f"{path}: an array of shape {tuple(array.shape)} for {tuple(parameter.shape)}"
                )
            parameter.copy_(values)


def read_arrays(path: Path) -> list[NDArray[Any]]:
    """The arrays of a file that joblib wrote and lz4 compressed; no code in the file is run.

    Raises:
        VisusError: If the file is damaged, or contains anything but arrays.
    """
    try:
        import lz4.frame
    except ImportError:
        raise VisusError("lz4 is not installed; pip install 'visus[faces]'") from None
    try:
        loaded = _ArrayUnpickler(io.BytesIO(lz4.frame.decompress(path.read_bytes()))).load()
    except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise VisusError(f"{path}: holds no list of arrays ({error})") from None
    arrays = [item.array for item in loaded if isinstance(item, _StoredArray)]
    if len(arrays) != len(loaded):
        raise VisusError(f"{path}: holds objects other than arrays")
    return arrays


class _StoredArray:
    """Replaces joblib's wrapper: the array's bytes follow its description in the file."""

    stream: io.BytesIO

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A leading byte holds the length of the padding that aligns the array.
        self.stream.read(self.stream.read(1)[0])
        dtype = np.dtype(state["dtype"])
        if dtype.hasobject:
            raise pickle.UnpicklingError("an array of objects")
        count = int(np.prod(state["shape"]))
        data = self.stream.read(count * dtype.itemsize)
        self.array = np.frombuffer(data, dtype).reshape(state["shape"], order=state["order"])


class _ArrayUnpickler(pickle.Unpickler):
    """Creates arrays and refuses all other classes."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self._stored = type("_Stored", (_StoredArray,), {"stream": stream})

    def find_class(self, module: str, name: str) -> Any:
        """The classes that describe an array.

        Raises:
            pickle.UnpicklingError: For any other.
        """
        allowed: dict[tuple[str, str], Any] = {
            ("joblib.numpy_pickle", "NumpyArrayWrapper"): self._stored,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"{module}.{name} is refused")
        return allowed[module, name]
