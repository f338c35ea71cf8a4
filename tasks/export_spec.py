"""How a task is exported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from visus.vision.model import Network


@dataclass(frozen=True)
class ExportSpec:
    """How a task is exported.

    Attributes:
        output_names: Names of the network's outputs, in order; a network may have only the first.
        exporter: `dynamo`, or `torchscript` for networks whose output sizes depend on the image.
        dynamic_axes: Names of the output axes without a fixed size, by axis, for the `torchscript`
            exporter.
        fixed_outputs: Whether all outputs have the same shape for every image, as programs for
            phones need.
        int8_operations: ONNX operations that are quantised to int8; None for all supported ones.
        half_weights: Whether a checkpoint of the weights alone stores them in float16; False where
            stored results are compared by the exact weights, as the embeddings in galleries are.
        testable: Whether the file predicts what the task's test measures: not one image of a clip,
            and not by a simpler search.
    """

    output_names: tuple[str, ...] = ("logits",)
    exporter: Literal["dynamo", "torchscript"] = "dynamo"
    dynamic_axes: Mapping[int, str] = field(default_factory=dict)
    fixed_outputs: bool = True
    int8_operations: frozenset[str] | None = None
    half_weights: bool = True
    testable: bool = True


@dataclass(frozen=True)
class PipelineParts:
    """The parts of an exported pipeline beside the task's own network.

    Attributes:
        networks: The other networks by name.
        values: The stored plain values.
    """

    networks: Mapping[str, Network]
    values: Mapping[str, Any]


@dataclass(frozen=True)
class PartExport:
    """A network that is exported beside the task's own.

    Attributes:
        network: A PyTorch module from uint8 images to outputs.
        side: Height and width of an example image in pixels.
        any_size: Whether height and width may vary.
    """

    network: Any
    side: int
    any_size: bool = False


@dataclass(frozen=True)
class PipelineExport:
    """What is exported of a pipeline beside the task's own network.

    Attributes:
        networks: The other networks by name.
        values: Plain values to store.
        requirements: Distributions that the exported program needs beside NumPy, OpenCV, Pillow
            and a runtime.
        command: Arguments before and after those of the user, such as `("predict", "{model}")`.
        usage: The user's arguments, for the help.
    """

    networks: Mapping[str, PartExport]
    values: Mapping[str, Any]
    requirements: tuple[str, ...]
    command: tuple[tuple[str, ...], tuple[str, ...]]
    usage: str
