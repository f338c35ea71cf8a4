"""Write a task as one ONNX file that computes in int8, its ranges taken from images."""

import io
import logging
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from visus.apps.export.onnx_file import export_onnx
from visus.apps.inference.backends import PRECISION_KEY
from visus.tasks.base import VisionTask
from visus.vision.errors import VisusError


def write_network(
    task: VisionTask, path: Path, precision: str, inputs: Sequence[NDArray[np.uint8]] = ()
) -> None:
    """Write a task as one ONNX file of any of `visus.apps.inference.backends.PRECISIONS`.

    Args:
        task: See `export_int8`.
        path: Where to write.
        precision: What the file computes in.
        inputs: For int8, see `export_int8`.
    """
    if precision == "int8":
        export_int8(task, path, inputs)
    else:
        export_onnx(task, path, precision)


def export_int8(task: VisionTask, path: Path, inputs: Sequence[NDArray[np.uint8]]) -> None:
    """As `visus.apps.export.onnx_file.export_onnx`, with layers that compute in int8.

    Weights are rounded channel by channel; each layer's input is rounded within the range that it
    has on the images, and biases make up for the mean of the error. Jacob et al. 2018,
    "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference";
    by NNCF.

    Args:
        task: In evaluation mode, on the CPU.
        path: Where to write.
        inputs: A hundred or so of what it will see, each of shape (1, channels, height, width); see
            `Model.inputs`.

    Raises:
        VisusError: If NNCF is not installed.
    """
    nncf = _import_nncf()
    with TemporaryDirectory() as folder:
        unrounded = Path(folder) / "exact.onnx"
        export_onnx(task, unrounded)
        exported = onnx.load(unrounded)
        exact = _exact_operations(task, exported)
        _unshare_weights(exported, exact)
        # Its progress bars.
        with redirect_stdout(io.StringIO()):
            model = nncf.quantize(
                exported,
                nncf.Dataset(inputs, lambda images: {"images": images}),
                subset_size=len(inputs),
                ignored_scope=nncf.IgnoredScope(types=exact),
            )
    properties = {entry.key: entry.value for entry in exported.metadata_props}
    onnx.helper.set_model_props(model, {**properties, PRECISION_KEY: "int8"})
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    onnx.save(model, part)
    # Only a finished file gets the name.
    part.replace(path)


def _exact_operations(task: VisionTask, model: onnx.ModelProto) -> list[str]:
    """Kinds of operations that stay in float: those that make boxes, faces or words of numbers."""
    rounded = task.spec.export.int8_operations
    if rounded is None:
        return []
    return sorted({node.op_type for node in model.graph.node} - rounded)


def _unshare_weights(model: onnx.ModelProto, exact: Sequence[str]) -> None:
    """Give each layer that is not exact weights of its own: ONNX Runtime wants rounded ones so.

    A detector's proposals come from the same layers at every scale: a quarter of its arithmetic.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    kinds = {"Conv", "Gemm", "MatMul"} - {*exact}
    layers = [node for node in model.graph.node if node.op_type in kinds]
    uses: Counter[str] = Counter()
    for node in layers:
        for i, name in enumerate(node.input):
            uses[name] += 1
            if name in weights and uses[name] > 1:
                own = model.graph.initializer.add()
                own.CopyFrom(weights[name])
                own.name = node.input[i] = f"{name}_{uses[name]}"


def _import_nncf() -> Any:
    if find_spec("nncf") is None:
        raise VisusError('--precision int8 needs NNCF; pip install "visus[int8]"')
    # Its only switch against telling its makers how it is used.
    os.environ["NNCF_CI"] = "1"
    import nncf

    # It tells of every layer that it leaves as it is.
    nncf.set_log_level(logging.ERROR)
    return nncf
