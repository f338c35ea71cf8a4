"""Run a task in PyTorch as the network of a model, on a GPU if there is one."""

import numpy as np
import torch
from numpy.typing import NDArray

from visus.tasks.base import VisionTask
from visus.vision.busy_cores import AdaptiveThreads
from visus.vision.errors import VisusError
from visus.vision.freed_memory import keep_freed_memory
from visus.vision.images import Pixels
from visus.vision.model import Batch, Model, NetworkModel
from visus.vision.model_wrapper import innermost
from visus.vision.resize import to_planes

_BATCHES = {"cpu": (8, 2**21), "cuda": (64, 2**22)}
"""The most images in a batch, and the most pixels, on each device.

Larger batches are no faster on a CPU; the pixels bound the memory that the feature maps take.
"""


class TorchNetwork:
    """A task in PyTorch, on a GPU if there is one.

    On a CPU the process keeps freed memory from then on: images are predicted up to twice as fast.

    Args:
        task: The task; it is put into evaluation mode.
    """

    precision = "fp32"

    def __init__(self, task: VisionTask) -> None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cpu":
            keep_freed_memory()
        self.task = task.eval().to(device)
        self._threads = AdaptiveThreads(torch.set_num_threads)
        height, width = task.image_size
        count, pixels = _BATCHES[device]
        self.batch_size = max(1, min(count, pixels // (height * width)))

    def __call__(
        self, images: Batch, *state: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], ...]:
        """See `visus.vision.model.Network.__call__`."""
        self._threads.update()
        with torch.inference_mode():
            inputs = [torch.from_numpy(each).to(self.task.device) for each in (images, *state)]
            outputs = self.task(*inputs)
        return tuple(output.float().cpu().numpy() for output in outputs)


def run_images(task: VisionTask, images: list[Pixels]) -> tuple[NDArray[np.float32], ...]:
    """The outputs of a task for images of its input size, uint8 (height, width, channels)."""
    batch = torch.from_numpy(np.stack([to_planes(image) for image in images]))
    with torch.inference_mode():
        outputs = task(batch.to(task.device))
    return tuple(output.float().cpu().numpy() for output in outputs)


def torch_task(model: Model, option: str) -> VisionTask:
    """The task inside a model in PyTorch.

    Args:
        model: The model.
        option: The option that needs it, for the error.

    Raises:
        VisusError: If the model is exported.
    """
    inner = innermost(model)
    if not isinstance(inner, NetworkModel) or not isinstance(inner.network, TorchNetwork):
        raise VisusError(
            f"{option} needs a model in PyTorch, a checkpoint or a name: {model.name!r} is exported"
        )
    return inner.network.task
