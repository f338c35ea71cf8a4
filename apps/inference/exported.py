"""The model in one exported file, without torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from visus.apps.inference.backends import damaged, load_network
from visus.tasks.registry import task_spec
from visus.vision.metadata import ModelMetadata
from visus.vision.model import Model, NetworkModel

if TYPE_CHECKING:
    from torch import Tensor


def load_exported(path: Path, runtime: str, workers: int = 1) -> NetworkModel:
    """Load an exported file, without the other networks of a pipeline.

    Raises:
        VisusError: If the file is damaged, or its metadata cannot be read.
    """
    network = load_network(path, runtime, workers)
    metadata = parse_metadata(network.metadata, path)
    spec = task_spec(metadata.task, str(path))
    return NetworkModel(
        str(path), runtime, network, metadata, spec.preprocess(), spec.postprocess(), workers
    )


def tensor_forward(model: Model) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """The network of a model, which computes on the CPU, as the `forward` of its task."""
    import torch

    def forward(images: Tensor) -> tuple[Tensor, ...]:
        outputs = model.run(images.cpu().numpy())
        return tuple(torch.from_numpy(output).to(images.device) for output in outputs)

    return forward


def parse_metadata(text: str | None, path: Path) -> ModelMetadata:
    """Read the metadata that an exported file carries as JSON.

    Raises:
        VisusError: If there is none, or none that this version of visus reads.
    """
    try:
        return ModelMetadata.from_dict(json.loads(text) if text else None, str(path))
    except (TypeError, ValueError) as error:
        raise damaged(path, error) from None
