"""Write a task as one ExecuTorch program, for phones."""

import json
import logging
import warnings
from importlib.util import find_spec
from pathlib import Path

import torch

from visus.apps.inference.backends import DIGEST_KEY, load_network
from visus.apps.inference.integrity import BLANK_DIGEST, fill_in_digest
from visus.tasks.base import VisionTask
from visus.tasks.checkpoint_files import refuse_non_finite_weights
from visus.vision.errors import VisusError
from visus.vision.output_files import replacing


def export_program(task: VisionTask, path: Path) -> None:
    """Write the task's `forward` for one image, computed by XNNPACK where it can.

    Beside `forward` the program has a method `metadata`, which returns the JSON that an exported
    .onnx file carries.

    Args:
        task: In evaluation mode, on the CPU.
        path: Where to write.

    Raises:
        VisusError: If ExecuTorch is not installed, or cannot run this network; if the weights are
            not finite, or the file cannot be written.
    """
    if find_spec("executorch") is None:
        raise VisusError(f'{path}: needs ExecuTorch; pip install "visus[executorch]"')
    if not task.spec.export.fixed_outputs:
        raise VisusError(
            f"{path}: the outputs of {task.spec.title} differ in length from image to image, which "
            "an ExecuTorch program cannot represent; export an .onnx file"
        )
    refuse_non_finite_weights(task.state_dict(), f"{path}: not exported, the")
    # torchao, which it imports, warns about its own use of torch.
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    # XNNPACK reorders weights itself; ExecuTorch's `flip` of a channels-last tensor flips its
    # channels, and its conversion to channels-last refuses images of one channel.
    task.to(memory_format=torch.contiguous_format)
    task.memory_format = torch.contiguous_format
    image = torch.zeros((1, task.in_channels, *task.image_size), dtype=torch.uint8)
    state = task.metadata.initial_state()
    with warnings.catch_warnings(), task.spec.prepare_export(task):
        warnings.simplefilter("ignore")
        lowered = to_edge_transform_and_lower(
            torch.export.export(task, (image, *map(torch.from_numpy, state))),
            partitioner=[XnnpackPartitioner()],
            constant_methods={
                "metadata": json.dumps(task.metadata.to_dict()),
                DIGEST_KEY: BLANK_DIGEST,
            },
        )
        program = lowered.to_executorch().buffer
    with replacing(path) as part:
        part.write_bytes(program)
        fill_in_digest(part)
        try:
            load_network(part, "executorch")(image.numpy(), *state)
        except (RuntimeError, VisusError) as error:
            raise VisusError(
                f"{path}: ExecuTorch cannot run this network ({error}); export an .onnx file"
            ) from None
