"""Write a task as one ONNX file that computes in int8, its ranges taken from pictures."""

import io
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quant_pre_process,
    quantize_static,
)

from apps.export import export_onnx
from apps.networks import PRECISION_KEY
from apps.runtimes import ExportedModel
from tasks.base import VisionTask
from vision.images import read_image

_LAYERS = ["Conv", "Gemm", "MatMul", "Clip", "Relu", "MaxPool"]
"""What computes in int8: nearly all of the time is spent there. What makes boxes does not."""

_KEPT = 99.99
"""Of the numbers that a layer gives, the percentage within the range; single outliers are cut."""


def export_int8(task: VisionTask, path: Path, pictures: list[Path]) -> None:
    """As `apps.export.export_onnx`, with layers that compute in int8.

    Weights are rounded channel by channel; each layer's input is rounded within the range that it
    has on the pictures. Jacob et al. 2018, "Quantization and Training of Neural Networks for
    Efficient Integer-Arithmetic-Only Inference"; by ONNX Runtime's quantiser.

    Args:
        task: In evaluation mode, on the CPU.
        path: Where to write.
        pictures: A hundred or so of the kind that it will see.

    Raises:
        vision.images.ImageError: If one cannot be read; nothing is written.
    """
    # The quantiser prints what it does for every picture.
    with TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        exact, prepared = Path(folder) / "exact.onnx", Path(folder) / "prepared.onnx"
        export_onnx(task, exact)
        quant_pre_process(exact, prepared, skip_symbolic_shape=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        quantize_static(
            prepared,
            part,
            _Pictures(ExportedModel(exact, "onnxruntime"), pictures),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_LAYERS,
            nodes_to_exclude=_sharing_weights(onnx.load(prepared)),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.Percentile,
            # One picture at a time: all layers' numbers for a hundred take gigabytes.
            extra_options={"CalibPercentile": _KEPT, "CalibStridedMinMax": 1},
        )
        model = onnx.load(part)
        properties = {entry.key: entry.value for entry in onnx.load(exact).metadata_props}
        onnx.helper.set_model_props(model, {**properties, PRECISION_KEY: "int8"})
        onnx.save(model, part)
        # Only a finished file gets the name.
        part.replace(path)


def _sharing_weights(model: onnx.ModelProto) -> list[str]:
    """Names of the layers whose weights others use too: ONNX Runtime cannot load them rounded."""
    weights = {tensor.name for tensor in model.graph.initializer}
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    uses = Counter(name for node in layers for name in set(node.input) & weights)
    return [node.name for node in layers if any(uses[name] > 1 for name in node.input)]


class _Pictures(CalibrationDataReader):  # type: ignore[misc]
    """Fitted pictures, read when they are asked for; the quantiser asks for one range at a time."""

    def __init__(self, model: ExportedModel, pictures: list[Path]) -> None:
        self._model = model
        self._pictures = pictures
        self._next: Iterator[Path] = iter(pictures)

    def __len__(self) -> int:
        return len(self._pictures)

    def set_range(self, start_index: int, end_index: int) -> None:
        """What is given next."""
        self._next = iter(self._pictures[start_index:end_index])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next picture as the network's input; None after the last."""
        picture = next(self._next, None)
        return None if picture is None else {"images": self._model.prepare(read_image(picture))[0]}
