"""ExecuTorch: programs for phones, on this machine."""

import threading
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visus.apps.inference.backends.base import damaged
from visus.apps.native_messages import without_native_messages


class ExecuTorchNetwork:
    """An ExecuTorch program, one image at a time; see `load_network`."""

    precision = "fp32"
    batch_size = 1

    def __init__(self, path: Path, workers: int = 1) -> None:
        # A program has one set of buffers; XNNPACK uses all cores for each image.
        self._one_at_a_time = threading.Lock()
        with without_native_messages():
            from executorch.runtime import Runtime

            try:
                program = Runtime.get().load_program(path)
                self._forward = program.load_method("forward")
                (self.metadata,) = program.load_method("metadata").execute([])
            except (RuntimeError, AttributeError) as error:
                raise damaged(path, error) from None

    def __call__(
        self, images: NDArray[np.uint8], *state: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], ...]:
        """See `Network.__call__`."""
        import torch

        with self._one_at_a_time:
            inputs = [torch.from_numpy(each) for each in (images, *state)]
            outputs = self._forward.execute(inputs)
            return tuple(np.array(output) for output in outputs)
