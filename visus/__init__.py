"""The Python interface: `visus.load("imagenet").predict(image)`; nothing heavy is imported."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from visus.vision.model import Model

__all__ = ["__version__", "load"]
__version__ = "0.1.0"


def load(model: str, runtime: str | None = None) -> "Model":
    """Load a model for use.

    Args:
        model: A checkpoint, a run folder, `latest`, an exported file or folder, or a name such as
            `imagenet` from `visus weights list`.
        runtime: `torch`, `onnxruntime`, `openvino` or `executorch`; the fastest that can run the
            file by default.

    Returns:
        An object whose `predict(image)` takes a uint8 RGB image of shape (height, width, 3), of
        any size, or the path of a file, and returns a prediction in that image's pixels.

    Raises:
        visus.vision.errors.VisusError: If there is no such model or runtime.
    """
    from visus.apps.inference.loading import load_model

    return load_model(model, runtime)
