"""An exported network in ONNX Runtime or OpenVINO: uint8 pictures to outputs, without torch."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vision.errors import VisusError

METADATA_KEY = "visus"
"""The key of the metadata, as JSON, in an exported file."""


class Network(Protocol):
    """An exported file ready to run.

    Attributes:
        metadata: What the file says of itself, JSON; None where it says nothing.
    """

    metadata: str | None

    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """The outputs for uint8 pictures of shape (batch, channels, height, width)."""
        ...


class OnnxRuntimeNetwork:
    """In ONNX Runtime."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        try:
            self._session = onnxruntime.InferenceSession(
                str(path), providers=onnxruntime.get_available_providers()
            )
        except Exception as error:
            # ONNX Runtime has a class of error for each kind of damage, none of them public.
            raise damaged(path, error) from None
        self.metadata = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        self._input = self._session.get_inputs()[0].name

    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """See `Network.__call__`."""
        return tuple(self._session.run(None, {self._input: images}))


class OpenVinoNetwork:
    """In OpenVINO, always in float32."""

    def __init__(self, path: Path) -> None:
        import onnx

        try:
            entries = onnx.load(path, load_external_data=False).metadata_props
            # Its default on a CPU with bfloat16 is bfloat16, which changes results.
            self._compiled = _openvino_core().compile_model(
                str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
            )
        except Exception as error:
            raise damaged(path, error) from None
        self.metadata = {entry.key: entry.value for entry in entries}.get(METADATA_KEY)

    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """See `Network.__call__`."""
        outputs = self._compiled([images])
        return tuple(np.asarray(outputs[i]) for i in range(len(self._compiled.outputs)))


@cache
def _openvino_core() -> Any:
    """One for the whole process.

    Each core gives its thread a stack for signals, and unmaps it when it goes while the thread may
    still have it: any signal after that, Ctrl+C or the end of a child, would be the end.
    """
    import openvino

    return openvino.Core()


_BY_RUNTIME: dict[str, type[OpenVinoNetwork] | type[OnnxRuntimeNetwork]] = {
    "openvino": OpenVinoNetwork,
    "onnxruntime": OnnxRuntimeNetwork,
}

EXPORTED_RUNTIMES = tuple(_BY_RUNTIME)
"""The runtimes of exported files, the fastest first."""


def choose_runtime(runtime: str | None, path: Path) -> str:
    """The runtime for an exported file: the one that is asked for, or the fastest installed.

    Raises:
        VisusError: If it cannot run exported files, or is not installed.
    """
    if runtime == "torch":
        raise VisusError(f"{path}: torch cannot run it; leave --runtime out, or name another")
    chosen = runtime or next(name for name in _BY_RUNTIME if find_spec(name))
    if find_spec(chosen) is None:
        raise VisusError(f"--runtime {chosen}: is not installed; pip install {chosen}")
    return chosen


def load_network(path: Path, runtime: str) -> Network:
    """Load an exported file.

    Raises:
        VisusError: If it is damaged.
    """
    return _BY_RUNTIME[runtime](path)


def damaged(path: Path, error: Exception) -> VisusError:
    """What to tell of a file that cannot be loaded."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return VisusError(f"{path}: cannot be loaded ({reason}); export it again")
