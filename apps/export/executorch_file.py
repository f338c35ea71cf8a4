"""Write a task as one ExecuTorch program, for phones, and run it here to compare it."""

import json
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from visus.apps.inference.runtimes_tmp import Model, parse_metadata
from visus.tasks.base import VisionTask
from visus.tasks.captioning.task import CaptioningTask
from visus.vision.errors import VisusError

_TASKS = ("captioning", "classification", "segmentation")
"""Those whose answers have the same shape for every picture: a program knows no other."""


def export_program(task: VisionTask, path: Path) -> None:
    """Write the task's `forward` for one picture, computed by XNNPACK where it can.

    Beside `forward` the program has a method `metadata`, which tells as JSON what an exported .onnx
    file tells of itself.

    Args:
        task: In evaluation mode, on the CPU.
        path: Where to write.

    Raises:
        VisusError: If ExecuTorch is not installed, or cannot hold this network.
    """
    if find_spec("executorch") is None:
        raise VisusError(f'{path}: needs ExecuTorch; pip install "visus[executorch]"')
    if task.task not in _TASKS:
        raise VisusError(
            f"{path}: the answers of {task.task} differ in length from picture to picture, which a "
            "program for phones cannot hold; export an .onnx file"
        )
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    if isinstance(task, CaptioningTask):
        # A search would stop at a moment that depends on the picture.
        task.beams = 1
    # XNNPACK brings weights into an order of its own.
    task.to(memory_format=torch.contiguous_format)
    picture = torch.zeros((1, task.in_channels, *task.image_size), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lowered = to_edge_transform_and_lower(
            torch.export.export(task, (picture,)),
            partitioner=[XnnpackPartitioner()],
            constant_methods={"metadata": json.dumps(task.metadata.to_dict())},
        )
        program = lowered.to_executorch().buffer
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(program)
    try:
        MobileModel(part).run(picture.numpy())
    except RuntimeError as error:
        part.unlink()
        raise VisusError(
            f"{path}: ExecuTorch cannot run this network ({error}); export an .onnx file"
        ) from None
    # Only a file that runs gets the name.
    part.replace(path)


class MobileModel(Model):
    """A program for phones on this machine, one picture at a time."""

    runtime = "executorch"

    def __init__(self, path: Path) -> None:
        from executorch.runtime import Runtime

        self.name = str(path)
        program = Runtime.get().load_program(path)
        self._forward = program.load_method("forward")
        (text,) = program.load_method("metadata").execute([])
        self.metadata = parse_metadata(text, path)

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """See `Model.run`."""
        outputs = self._forward.execute([torch.from_numpy(images)])
        return tuple(np.array(output) for output in outputs)
