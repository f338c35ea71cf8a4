"""ExecuTorch: programs for phones, on this machine."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visus.apps.inference.backends.base import damaged


class ExecuTorchNetwork:
    """A program for phones on this machine, one image at a time; see `load_network`."""

    precision = "fp32"

    def __init__(self, path: Path, workers: int = 1) -> None:
        from executorch.runtime import Runtime

        try:
            program = Runtime.get().load_program(path)
            self._forward = program.load_method("forward")
            (self.metadata,) = program.load_method("metadata").execute([])
        except (RuntimeError, AttributeError) as error:
            raise damaged(path, error) from None

    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """See `Network.__call__`."""
        import torch

        outputs = self._forward.execute([torch.from_numpy(images)])
        return tuple(np.array(output) for output in outputs)
