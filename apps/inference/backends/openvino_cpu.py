"""OpenVINO on the CPU."""

import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visus.apps.inference.backends.base import METADATA_KEY, PRECISION_KEY, damaged

_ONE_AT_A_TIME = threading.Lock()
"""Held by the one request of OpenVINO in which layers of weights take any rows."""


class OpenVinoNetwork:
    """In OpenVINO, in float32 but for a file that asks for another precision.

    Single images, which applications mostly give, have a form of the network of their own: it is
    faster, and threads run it side by side. Where the rows that a layer of weights takes depend on
    what an image shows, there is none, and two requests under way at once, even of two networks,
    crash now and then: there threads take turns.
    """

    def __init__(self, path: Path, workers: int = 1) -> None:
        properties = _read_properties(path)
        precision = properties.get(PRECISION_KEY, "fp32")
        faster = precision == "bf16" and computes_bfloat16()
        # Its default on a CPU with bfloat16 is bfloat16, which changes results.
        self._hint = {"INFERENCE_PRECISION_HINT": "bf16" if faster else "f32"}
        core = _openvino_core()
        try:
            self._network = core.read_model(path)
            self._outputs = len(self._network.outputs)
            if faster:
                _keep_places_exact(self._network)
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

    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """See `Network.__call__`."""
        if self._single is not None and len(images) == 1:
            if not hasattr(self._own, "request"):
                self._own.request = self._single.create_infer_request()
            request = self._own.request
            request.get_input_tensor().data[:] = images
            request.infer(share_outputs=True)
            return tuple(tensor.data.copy() for tensor in request.output_tensors[: self._outputs])
        with _ONE_AT_A_TIME:
            if self._any is None:
                core = _openvino_core()
                self._any = core.compile_model(self._network, "CPU", self._hint)
            outputs = self._any([images])
        return tuple(np.asarray(outputs[i]) for i in range(self._outputs))


def _keep_places_exact(network: Any) -> None:
    """Keep the corners of regions in float32: in bfloat16 they miss by a pixel at 256.

    OpenVINO leaves what leads to an output without a layer of weights between as it is.
    """
    pooled = [op for op in network.get_ops() if op.get_type_name() == "ROIAlign"]
    network.add_outputs([op.input_value(1) for op in pooled])


def _for_one_image(network: Any) -> Any:
    """A copy of the network for one image; None where layers of weights would take any rows."""
    single = network.clone()
    shape = single.inputs[0].partial_shape
    shape[0] = 1
    single.reshape(shape)
    of_weights = ("MatMul", "Convolution", "GroupConvolution", "ConvolutionBackpropData")
    layers = [op.input(0) for op in single.get_ops() if op.get_type_name() in of_weights]
    fixed = all(each.get_partial_shape().is_static for each in (single.input(0), *layers))
    return single if fixed else None


@cache
def _openvino_core() -> Any:
    """One for the whole process.

    Each core gives its thread a stack for signals, and unmaps it when it goes while the thread may
    still have it: any signal after that, Ctrl+C or the end of a child, would be the end.
    """
    import openvino

    # The first tensor fills a table of types, for which Python's lock is let go: a second thread
    # that came to that table with the lock would wait for ever, and so would the whole process.
    openvino.Tensor(np.zeros(1, np.uint8))
    return openvino.Core()


def computes_bfloat16() -> bool:
    """Whether OpenVINO is installed and this CPU computes in bfloat16."""
    if find_spec("openvino") is None:
        return False
    return "BF16" in _openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _read_properties(path: Path) -> dict[str, str]:
    """What an exported file says of itself."""
    import onnx

    try:
        entries = onnx.load(path, load_external_data=False).metadata_props
    except Exception as error:
        raise damaged(path, error) from None
    return {entry.key: entry.value for entry in entries}
