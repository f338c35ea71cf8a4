"""MTCNN: three small networks that find faces from coarse to fine, with five landmarks each.

Zhang et al. 2016, "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional
Networks". The networks are here; `visus.vision.faces.detection` leads an image through them.
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
    """Normalises uint8 images itself, so that every runtime feeds it alike."""

    def normalise(self, images: Tensor) -> Tensor:
        """From uint8 images to -1 to 1."""
        return (images.float() - 127.5) / 128


class ProposalNet(_Stage):
    """P-Net: looks at a whole image through windows of 12 pixels, two pixels apart."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, 10, 3), nn.PReLU(10), nn.MaxPool2d(2, 2, ceil_mode=True)),
            *(nn.Conv2d(10, 16, 3), nn.PReLU(16), nn.Conv2d(16, 32, 3), nn.PReLU(32)),
        )
        self.shift = nn.Conv2d(32, 4, 1)
        self.score = nn.Conv2d(32, 2, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Where faces may be.

        Args:
            images: uint8 of shape (batch, 3, height, width), 12 pixels at least.

        Returns:
            Scores (batch, rows, columns), 0 to 1, and how far each window's left, top, right and
            bottom should move, in window sides, (batch, 4, rows, columns).
        """
        features = self.layers(self.normalise(images))
        return self.score(features).softmax(1)[:, 1], self.shift(features)


class RefineNet(_Stage):
    """R-Net: looks at each proposal at 24 x 24 pixels."""

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
        """Which proposals are faces.

        Args:
            crops: uint8 of shape (batch, 3, 24, 24).

        Returns:
            Scores (batch,), 0 to 1, and shifts of the sides, in box sides, (batch, 4).
        """
        features = self.layers(self.normalise(crops))
        return self.score(features).softmax(1)[:, 1], self.shift(features)


class OutputNet(_Stage):
    """O-Net: looks at each face at 48 x 48 pixels and finds its eyes, nose and mouth."""

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
        """Which are faces, and where their parts are.

        Args:
            crops: uint8 of shape (batch, 3, 48, 48).

        Returns:
            Scores (batch,), 0 to 1; shifts of the sides, in box sides, (batch, 4); landmarks
            (batch, 10) in box sides from the corner: five x, then five y.
        """
        features = self.layers(self.normalise(crops))
        return self.score(features).softmax(1)[:, 1], self.shift(features), self.landmarks(features)


class FaceFinder(nn.Module):
    """The three networks together, on one device.

    Attributes:
        propose: The first stage.
        refine: The second.
        output: The third.
    """

    def __init__(self) -> None:
        super().__init__()
        self.propose = ProposalNet()
        self.refine = RefineNet()
        self.output = OutputNet()

    def stages(self) -> FaceStages:
        """The networks as `visus.vision.faces.detection.find_faces` calls them."""
        return FaceStages(*(_from_numpy(s) for s in (self.propose, self.refine, self.output)))


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
        pretrained: Whether to load the weights that the pip package `mtcnn` carries.

    Raises:
        VisusError: If the package is not installed or its files are others.
    """
    finder = FaceFinder().eval()
    if pretrained:
        for name, stage in finder.named_children():
            entry = next(each for each in PARTS if each.name == f"mtcnn-{name}")
            assert entry is not None
            path = entry.path()
            _load_keras_arrays(stage, read_arrays(path), path)
    return finder


def _load_keras_arrays(stage: nn.Module, arrays: Sequence[NDArray[Any]], path: Path) -> None:
    """Give a stage the arrays of its layers, in order: kernels are (rows, columns, in, out)."""
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
    """The arrays of a file that joblib wrote and lz4 packed, with nothing else run or made.

    Raises:
        VisusError: If the file is damaged, or holds anything but arrays.
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
        raise VisusError(f"{path}: holds other things than arrays")
    return arrays


class _StoredArray:
    """Stands in for joblib's wrapper: the array's bytes follow its description in the file."""

    stream: io.BytesIO

    def __setstate__(self, state: dict[str, Any]) -> None:
        # joblib aligns the bytes and says so in a leading byte.
        self.stream.read(self.stream.read(1)[0])
        dtype = np.dtype(state["dtype"])
        if dtype.hasobject:
            raise pickle.UnpicklingError("an array of objects")
        count = int(np.prod(state["shape"]))
        data = self.stream.read(count * dtype.itemsize)
        self.array = np.frombuffer(data, dtype).reshape(state["shape"], order=state["order"])


class _ArrayUnpickler(pickle.Unpickler):
    """Makes arrays and refuses to look up anything else."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self._stored = type("_Stored", (_StoredArray,), {"stream": stream})

    def find_class(self, module: str, name: str) -> Any:
        """The few names that describe an array.

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
