"""Load a model by name: a checkpoint, an exported file, or ready-made weights."""

from pathlib import Path
from typing import TYPE_CHECKING

from visus.apps.inference.backends import choose_runtime, exported_suffixes, runtime_names
from visus.apps.inference.bundle import load_bundle
from visus.apps.inference.exported import load_exported
from visus.apps.runs import BUNDLE, find_model
from visus.tasks.registry import find_weights, task_spec
from visus.vision.errors import VisusError
from visus.vision.model import Model, NetworkModel

if TYPE_CHECKING:
    from visus.tasks.base import VisionTask


def load_model(model: str, runtime: str | None = None, workers: int = 1) -> Model:
    """Load a model by its name on the command line.

    Args:
        model: See `visus.apps.runs.find_model`.
        runtime: A name of `runtime_names`; by default the fastest installed one that can run it.
        workers: See `visus.apps.inference.backends.load_network`; torch has one.

    Raises:
        VisusError: If there is no such model, or the runtime cannot run it.
    """
    if runtime is not None and runtime not in runtime_names():
        known = ", ".join(runtime_names())
        raise VisusError(f"--runtime {runtime!r} is unknown; choose from {known}")
    found = find_model(model)
    if isinstance(found, Path) and found.name == BUNDLE:
        return load_bundle(found, choose_runtime(runtime, found, ".onnx"))
    if isinstance(found, Path) and found.suffix.lower() in exported_suffixes():
        exported = load_exported(found, choose_runtime(runtime, found), workers)
        spec = task_spec(exported.metadata.task)
        if spec.is_pipeline:
            raise VisusError(f"{found}: is one network of an exported folder; name the folder")
        return exported
    if runtime not in (None, "torch"):
        raise VisusError(f"--runtime {runtime} runs exported files; visus export {model} makes one")
    from visus.tasks.checkpoints import load_task

    if isinstance(found, Path):
        return torch_model(model, load_task(found))
    entry = find_weights(found)
    assert entry is not None
    path = entry.path()
    for part in entry.missing:
        raise VisusError(
            f"model {model!r} needs {part.name!r}, which is not on this machine; run {part.remedy}"
        )
    if entry.recipe:
        return torch_model(model, load_task(path))
    return torch_model(model, task_spec(entry.task).build_pretrained(entry))


def torch_model(name: str, task: "VisionTask") -> Model:
    """A task as a model, with its pipeline."""
    return task.spec.pipeline(bare_torch_model(name, task), None)


def bare_torch_model(name: str, task: "VisionTask") -> NetworkModel:
    """A task as a model, without its pipeline."""
    from visus.tasks.torch_network import TorchNetwork

    spec = task.spec
    return NetworkModel(
        name,
        "torch",
        TorchNetwork(task),
        task.metadata,
        spec.preprocess(),
        spec.postprocess(),
    )
