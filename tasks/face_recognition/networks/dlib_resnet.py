"""dlib's face-recognition ResNet as a PyTorch module, and a reader of its weights file.

Davis King published network and weights under CC0 with dlib: He et al. 2016, "Deep Residual
Learning for Image Recognition", with 29 convolutions of few channels, trained on three million
faces so that a distance of 0.6 separates different people.
"""

from collections.abc import Iterator
from math import ldexp
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from visus.vision.errors import VisusError

MEAN = (122.782, 117.001, 104.298)
STD = (256.0, 256.0, 256.0)
SIZE = (150, 150)
"""(height, width) of its input in pixels."""

EMBEDDING = 128
"""Length of its embeddings."""

_BLOCKS = (
    *[(32, False)] * 3,
    *[(64, True), (64, False), (64, False), (64, False)],
    *[(128, True), (128, False), (128, False)],
    *[(256, True), (256, False), (256, False), (256, True)],
)
"""(channels, whether the block halves the resolution), input side first."""


class DlibResNet(nn.Module):
    """From a normalised face of 150 x 150 pixels to an embedding of length 128.

    dlib's affine layers (batch norm with fixed statistics) are folded into the convolutions.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 7, stride=2)
        widths = [32, *(channels for channels, _ in _BLOCKS)]
        self.blocks = nn.Sequential(*(_Block(widths[i], *block) for i, block in enumerate(_BLOCKS)))
        self.embed = nn.Linear(256, EMBEDDING, bias=False)

    def forward(self, faces: Tensor) -> Tensor:
        """Embeddings, (batch, 128), not normalised.

        Args:
            faces: float of shape (batch, 3, 150, 150), normalised with `MEAN` and `STD`.
        """
        features = F.max_pool2d(F.relu(self.stem(faces)), 3, 2)
        embeddings: Tensor = self.embed(self.blocks(features).mean((2, 3)))
        return embeddings


class _Block(nn.Module):
    """A residual block; dlib pads with zeros where sizes or channels differ."""

    def __init__(self, in_channels: int, channels: int, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        stride, padding = (2, 0) if halves else (1, 1)
        self.first = nn.Conv2d(in_channels, channels, 3, stride, padding)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.second(F.relu(self.first(x)))
        if self.halves:
            x = F.avg_pool2d(x, 2, 2)
            rows, columns = (x.shape[i] - residual.shape[i] for i in (2, 3))
            residual = F.pad(residual, (0, columns, 0, rows))
            x = F.pad(x, (0, 0, 0, 0, 0, residual.shape[1] - x.shape[1]))
        return F.relu(x + residual)


def load_dlib_weights(network: DlibResNet, path: Path) -> None:
    """Load the weights of `dlib_face_recognition_resnet_model_v1.dat`.

    Args:
        network: The network to fill.
        path: The file.

    Raises:
        VisusError: If the file is damaged or of another network.
    """
    layers = _read_layers(path)
    convolutions = [network.stem]
    for block in network.blocks:
        assert isinstance(block, _Block)
        convolutions += [block.first, block.second]
    try:
        with torch.no_grad():
            for convolution in convolutions:
                flat = _next(layers, "con_")
                scales, offsets = _next(layers, "affine_").reshape(2, -1)
                assert convolution.bias is not None
                kernels = flat[: -len(scales)].reshape(convolution.weight.shape)
                kernels = kernels * scales[:, None, None, None]
                convolution.weight.copy_(torch.from_numpy(kernels))
                biases = flat[-len(scales) :] * scales + offsets
                convolution.bias.copy_(torch.from_numpy(biases))
            matrix = _next(layers, "fc_").reshape(256, EMBEDDING)
            network.embed.weight.copy_(torch.from_numpy(matrix.T.copy()))
    except (ValueError, RuntimeError, StopIteration) as error:
        raise VisusError(f"{path}: holds another network ({error})") from None
    if next(layers, None) is not None:
        raise VisusError(f"{path}: holds more layers than expected")


def _next(layers: Iterator[tuple[str, NDArray[np.float32]]], kind: str) -> NDArray[np.float32]:
    name, values = next(layers)
    if not name.startswith(kind):
        raise ValueError(f"layer {name!r} instead of {kind!r}")
    return values


def _read_layers(path: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Kind and parameters of the layers with parameters, input side first."""
    reader = _Reader(path.read_bytes())
    try:
        layers = _parse(reader)
    except (ValueError, IndexError, OverflowError) as error:
        raise VisusError(f"{path}: damaged at byte {reader.position} ({error})") from None
    if reader.position != len(reader.data):
        rest = len(reader.data) - reader.position
        raise VisusError(f"{path}: {rest} bytes follow the end of the network")
    return iter([(kind, values) for kind, values in layers if len(values)])


def _parse(reader: "_Reader") -> list[tuple[str, NDArray[np.float32]]]:
    """Parse dlib's format: versions of all nested layers, then each layer, input side first."""
    reader.expect(reader.integer(), 1)
    reader.expect(reader.text(), "loss_metric_2")
    reader.floats(2)
    # 2: a layer; 1: a tag or a skip, without further data; 3: the innermost layer.
    count = 1
    while (version := reader.integer()) != 3:
        if version not in (1, 2):
            raise ValueError(f"a layer of version {version}")
        count += version == 2
    reader.expect(reader.text(), "input_rgb_image_sized")
    reader.floats(3)
    reader.integers(2)
    layers = []
    for i in range(count):
        kind = reader.text()
        if kind not in _READERS:
            raise ValueError(f"a layer of kind {kind!r}")
        values = _READERS[kind](reader)
        reader.flags(3)
        for _ in range(3):
            reader.tensor()
        if i == 0:
            # The innermost layer also stores how many samples it makes of one.
            reader.expect(reader.integer(), 1)
        layers.append((kind, values))
    return layers


class _Reader:
    """Reads dlib's serialisation: packed integers, floats as two of them, raw tensors."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        piece = self.data[self.position : self.position + count]
        if len(piece) != count:
            raise ValueError("the file ends too early")
        self.position += count
        return piece

    def integer(self) -> int:
        control = self.take(1)[0]
        count = control & 0x0F
        if control & 0x70 or not 1 <= count <= 8:
            raise ValueError(f"invalid first byte {control:#04x} of an integer")
        value = int.from_bytes(self.take(count), "little")
        return -value if control & 0x80 else value

    def integers(self, count: int) -> list[int]:
        return [self.integer() for _ in range(count)]

    def floats(self, count: int) -> list[float]:
        pairs = [self.integers(2) for _ in range(count)]
        return [ldexp(mantissa, exponent) for mantissa, exponent in pairs]

    def flags(self, count: int) -> None:
        if not set(self.take(count)) <= {ord("0"), ord("1")}:
            raise ValueError("a flag is neither 0 nor 1")

    def text(self) -> str:
        return self.take(self.integer()).decode("ascii")

    def tensor(self) -> NDArray[np.float32]:
        self.expect(self.integer(), 2)
        shape = self.integers(4)
        count = int(np.prod(shape))
        return np.frombuffer(self.take(4 * count), "<f4").astype(np.float32)

    def alias(self) -> None:
        """The shape of a part of a tensor."""
        self.expect(self.integer(), 1)
        self.integers(4)

    def expect(self, value: object, expected: object) -> None:
        if value != expected:
            raise ValueError(f"{value!r} instead of {expected!r}")


def _convolution(reader: _Reader) -> NDArray[np.float32]:
    values = reader.tensor()
    reader.integers(7)
    reader.alias()
    reader.alias()
    reader.floats(4)
    return values


def _affine(reader: _Reader) -> NDArray[np.float32]:
    values = reader.tensor()
    reader.alias()
    reader.alias()
    reader.integer()
    return values


def _fully_connected(reader: _Reader) -> NDArray[np.float32]:
    reader.integers(2)
    values = reader.tensor()
    reader.alias()
    reader.alias()
    reader.integer()
    reader.floats(4)
    return values


def _pooling(reader: _Reader) -> NDArray[np.float32]:
    reader.integers(6)
    return _no_parameters(reader)


def _no_parameters(reader: _Reader) -> NDArray[np.float32]:
    return np.zeros(0, np.float32)


_READERS: dict[str, Any] = {
    "con_4": _convolution,
    "affine_": _affine,
    "fc_2": _fully_connected,
    "max_pool_2": _pooling,
    "avg_pool_2": _pooling,
    "relu_": _no_parameters,
    "add_prev_": _no_parameters,
}
