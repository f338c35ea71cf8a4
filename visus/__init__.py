"""The Python interface: `visus.load("imagenet")("cat.jpg")`; nothing heavy is imported."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visus import faces as faces
    from visus.apps.python.model import Model as Model
    from visus.apps.python.results import Result as Result
    from visus.vision.errors import VisusError as VisusError

__all__ = ["Model", "Result", "VisusError", "__version__", "faces", "fit", "load"]
__version__ = "0.1.0"

_LATER = {
    "Model": "visus.apps.python.model",
    "Result": "visus.apps.python.results",
    "VisusError": "visus.vision.errors",
}
"""Modules of the names that are imported when they are used."""


def load(model: str | Path, runtime: str | None = None) -> "Model":
    """Load a model for use.

    Args:
        model: A checkpoint, a run folder, `latest`, an exported file or folder, or a name such as
            `imagenet` from `visus weights list`.
        runtime: `torch`, `onnxruntime`, `openvino` or `executorch`; the fastest that can run the
            file by default.

    Returns:
        A model that takes images, as in `model("cat.jpg")`; see `visus.Model`.

    Raises:
        visus.VisusError: If there is no such model or runtime.
    """
    from visus.apps.python.model import load
    from visus.vision.cores import configure_threads

    configure_threads()
    return load(model, runtime)


def fit(
    data: str | Path | None = None,
    task: str | None = None,
    *,
    config: str | Path | None = None,
    init_from: str | Path | None = None,
    budget: str | None = None,
    **options: Any,
) -> "Model":
    """Train a model on labelled images, as `visus fit` does.

    Args:
        data: The folder of a data set.
        task: The task, such as `detection`; recognised from the data by default.
        config: A configuration, by name or file, in place of the task's own.
        init_from: A trained model of the same task, whose weights are the initial weights.
        budget: Time for the whole training, such as `15m`, for which it is planned.
        options: Options of the command by the last part of their names, such as `max_epochs=2` for
            `--trainer.max_epochs`, or by their whole names, `**{"trainer.max_epochs": 2}`.

    Returns:
        The model of the best checkpoint; its run folder is `Path(model.origin).parent`.

    Raises:
        TypeError: If there is no such option.
        visus.VisusError: If the data cannot be used, or the value of an option is wrong.
    """
    from visus.apps.python.fitting import fit
    from visus.vision.cores import configure_threads

    configure_threads()
    return fit(data, task, config, init_from, budget, options)


def __getattr__(name: str) -> Any:
    """Import a name of the interface when it is used."""
    if name == "faces":
        return import_module("visus.faces")
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module 'visus' has no attribute {name!r}")
