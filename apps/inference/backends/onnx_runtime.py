"""ONNX Runtime: exported .onnx files on the CPU, and on a GPU where its package supports one."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visus.apps.inference.backends.base import (
    METADATA_KEY,
    PRECISION_KEY,
    damaged,
)
from visus.vision.cores import usable_cores

_INEXACT = ("CoreMLExecutionProvider", "TensorrtExecutionProvider")
"""Compute in float16, or take minutes to prepare each new image size."""


class OnnxRuntimeNetwork:
    """An .onnx file in ONNX Runtime; see `load_network`."""

    batch_size = 1

    def __init__(self, path: Path, workers: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # It does not know of the quota of a container.
        if workers > 1 or usable_cores() < (os.cpu_count() or 1):
            options.intra_op_num_threads = max(1, usable_cores() // workers)
        # On a CPU without VNNI its int8 products would overflow and change the outputs.
        options.add_session_config_entry("session.x64quantprecision", "1")
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=_providers())
        except Exception as error:
            # ONNX Runtime has an error class for each kind of damage, none of them public.
            raise damaged(path, error) from None
        properties = self._session.get_modelmeta().custom_metadata_map
        self.metadata = properties.get(METADATA_KEY)
        # ONNX Runtime does not compute in bfloat16 on a CPU.
        self.precision = "int8" if properties.get(PRECISION_KEY) == "int8" else "fp32"
        self._inputs = [each.name for each in self._session.get_inputs()]

    def __call__(
        self, images: NDArray[np.uint8], *state: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], ...]:
        """See `Network.__call__`."""
        inputs = dict(zip(self._inputs, (images, *state), strict=True))
        return tuple(self._session.run(None, inputs))


def _providers() -> list[str]:
    """Where a network is computed: on a GPU if there is one, in the precision of the file."""
    import onnxruntime

    available = onnxruntime.get_available_providers()
    return [each for each in available if each not in _INEXACT]
