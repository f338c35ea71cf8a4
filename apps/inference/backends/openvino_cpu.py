"""OpenVINO: exported .onnx files on the CPU."""

import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visus.apps.inference.backends.base import METADATA_KEY, PRECISION_KEY, damaged

_ONE_AT_A_TIME = threading.Lock()
"""Held by a request to a network whose layers with weights take a variable number of rows."""


class OpenVinoNetwork:
    """An .onnx file in OpenVINO, in float32 unless the file requests another precision.

    Single images, the usual input of applications, have a network compiled for a batch of one: it
    is faster, and threads run it in parallel. Where the number of rows in a layer with weights
    depends on the image, there is no such network, and two concurrent requests, even to different
    networks, crash occasionally: there threads take turns.
    """

    batch_size = 1

    def __init__(self, path: Path, workers: int = 1) -> None:
        properties = _read_properties(path)
        precision = properties.get(PRECISION_KEY, "fp32")
        faster = precision == "bf16" and computes_bfloat16()
        # OpenVINO's default on a CPU with bfloat16 is bfloat16, which changes results.
        self._hint = {"INFERENCE_PRECISION_HINT": "bf16" if faster else "f32"}
        core = _openvino_core()
        try:
            self._network = core.read_model(path)
            self._outputs = len(self._network.outputs)
            if faster:
                _keep_regions_exact(self._network)
            single = _for_one_image(self._network)
            streams = {"NUM_STREAMS": str(workers)} if single and workers > 1 else {}
            compiled = core.compile_model(single or self._network, "CPU", self._hint | streams)
        except Exception as error:
            raise damaged(path, error) from None
        self._single = compiled if single else None
        self._any = None if single else compiled
        self._own = threading.local()
        self.metadata = properties.get(METADATA_KEY)
        self.precision = "fp32" if precision == "bf16" and not faster else precision

    def __call__(
        self, images: NDArray[np.uint8], *state: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], ...]:
        """See `Network.__call__`."""
        inputs = (images, *state)
        if self._single is not None and len(images) == 1:
            if not hasattr(self._own, "request"):
                self._own.request = self._single.create_infer_request()
            request = self._own.request
            for tensor, values in zip(request.input_tensors, inputs, strict=True):
                tensor.data[:] = values
            request.infer(share_outputs=True)
            return tuple(tensor.data.copy() for tensor in request.output_tensors[: self._outputs])
        with _ONE_AT_A_TIME:
            if self._any is None:
                core = _openvino_core()
                self._any = core.compile_model(self._network, "CPU", self._hint)
            outputs = self._any(list(inputs))
        return tuple(np.asarray(outputs[i]) for i in range(self._outputs))


def _keep_regions_exact(network: Any) -> None:
    """Keep the corners of regions in float32: bfloat16 rounds them to whole pixels from 256 on.

    OpenVINO does not convert operations between the last layer with weights and an output.
    """
    pooled = [op for op in network.get_ops() if op.get_type_name() == "ROIAlign"]
    network.add_outputs([op.input_value(1) for op in pooled])


def _for_one_image(network: Any) -> Any:
    """A copy for batches of one; None where a layer with weights has a variable number of rows."""
    single = network.clone()
    shapes = {}
    for each in single.inputs:
        shapes[each] = each.partial_shape
        shapes[each][0] = 1
    single.reshape(shapes)
    with_weights = ("MatMul", "Convolution", "GroupConvolution", "ConvolutionBackpropData")
    layers = [op.input(0) for op in single.get_ops() if op.get_type_name() in with_weights]
    fixed = all(each.get_partial_shape().is_static for each in (*single.inputs, *layers))
    return single if fixed else None


@cache
def _openvino_core() -> Any:
    """One core for the whole process.

    Each core installs an alternate signal stack in its thread, and unmaps it when it is destroyed:
    any later signal, such as Ctrl+C or the exit of a child process, would crash the process.
    """
    import openvino

    # The first tensor fills a table of types while Python's lock is released: a second thread that
    # waited for that table while holding the lock would deadlock the process.
    openvino.Tensor(np.zeros(1, np.uint8))
    return openvino.Core()


def computes_bfloat16() -> bool:
    """Whether OpenVINO is installed and this CPU computes in bfloat16."""
    if find_spec("openvino") is None:
        return False
    return "BF16" in _openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _read_properties(path: Path) -> dict[str, str]:
    """The metadata properties of an .onnx file."""
    import onnx

    try:
        entries = onnx.load(path, load_external_data=False).metadata_props
    except Exception as error:
        raise damaged(path, error) from None
    return {entry.key: entry.value for entry in entries}
