"""Write a task as one ONNX file of any precision; int8 by post-training quantisation."""

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

from visus.apps.export.onnx_file import export_onnx, save_onnx, state_names
from visus.apps.inference.backends import PRECISION_KEY
from visus.apps.inference.loading import bare_torch_model
from visus.tasks.base import VisionTask
from visus.vision.errors import VisusError


def write_network(
    task: VisionTask, path: Path, precision: str, inputs: Sequence[NDArray[np.uint8]] = ()
) -> None:
    """Write a task as one ONNX file of any of `visus.apps.inference.backends.PRECISIONS`.

    Args:
        task: See `export_int8`.
        path: Where to write.
        precision: The precision of the file.
        inputs: For int8, see `export_int8`.
    """
    if precision == "int8":
        export_int8(task, path, inputs)
    else:
        export_onnx(task, path, precision)


def export_int8(task: VisionTask, path: Path, inputs: Sequence[NDArray[np.uint8]]) -> None:
    """Write an ONNX file whose layers compute in int8; see `onnx_file.export_onnx`.

    Weights are quantised per channel, each layer's input within its range on the images; biases
    correct the mean of the error. Jacob et al. 2018, "Quantization and Training of Neural Networks
    for Efficient Integer-Arithmetic-Only Inference"; by NNCF.

    Args:
        task: In evaluation mode, on the CPU.
        path: Where to write.
        inputs: About a hundred representative network inputs, each of shape
            (1, channels, height, width); see `Model.network_inputs`.

    Raises:
        VisusError: If NNCF is not installed, the weights are not finite, or the file cannot be
            written.
    """
    nncf = _import_nncf()
    with TemporaryDirectory() as folder:
        unquantised = Path(folder) / "exact.onnx"
        export_onnx(task, unquantised)
        exported = onnx.load(unquantised)
        exact = _exact_operations(task, exported)
        _unshare_weights(exported, exact)
        # Without NNCF's progress bars.
        with redirect_stdout(io.StringIO()):
            model = nncf.quantize(
                exported,
                nncf.Dataset(_with_state(task, inputs)),
                subset_size=len(inputs),
                ignored_scope=nncf.IgnoredScope(types=exact),
            )
    properties = {entry.key: entry.value for entry in exported.metadata_props}
    save_onnx(model, path, {**properties, PRECISION_KEY: "int8"})


def _with_state(
    task: VisionTask, inputs: Sequence[NDArray[np.uint8]]
) -> list[dict[str, NDArray[Any]]]:
    """The inputs by name; those of a network with a state are the frames of one stream."""
    model = bare_torch_model("torch", task)
    state = task.metadata.initial_state()
    names = state_names(len(state))
    feeds: list[dict[str, NDArray[Any]]] = []
    for images in inputs:
        feeds.append({"images": images, **dict(zip(names, state, strict=True))})
        if state:
            state = model.run(images, *state)[-len(state) :]
    return feeds


def _exact_operations(task: VisionTask, model: onnx.ModelProto) -> list[str]:
    """Kinds of operations that stay in float; see `ExportSpec.int8_operations`."""
    quantised = task.spec.export.int8_operations
    if quantised is None:
        return []
    return sorted({node.op_type for node in model.graph.node} - quantised)


def _unshare_weights(model: onnx.ModelProto, exact: Sequence[str]) -> None:
    """Give each quantised layer its own copy of its weights, as ONNX Runtime requires.

    A detector applies the same layers at every scale, a quarter of its arithmetic.
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
    # The only way to disable its usage statistics.
    os.environ["NNCF_CI"] = "1"
    import nncf

    # It logs every layer that it does not quantise.
    nncf.set_log_level(logging.ERROR)
    return nncf
