"""Run a model's network with PyTorch, ONNX Runtime or OpenVINO, behind one interface."""

import json
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from visus.apps.inference.networks_tmp import EXPORTED_RUNTIMES, choose_runtime, damaged, load_network
from visus.apps.runs import BUNDLE, find_model
from visus.vision.errors import VisusError
from visus.vision.resize import fit, to_channels, to_planes
from visus.vision.images import Pixels, read_image
from visus.vision.metadata import ModelMetadata
from visus.apps.inference.predictions_tmp import TASKS, to_prediction
from visus.vision.prediction import Prediction

if TYPE_CHECKING:
    from visus.tasks.base import VisionTask


class Model(ABC):
    """A model ready to predict.

    Attributes:
        name: What the user called it.
        runtime: `torch`, `onnxruntime` or `openvino`.
        metadata: What is known of it.
        precision: What it computes in, of `apps.networks.PRECISIONS`.
        lanes: How many threads may predict at once.
    """

    name: str
    runtime: str
    metadata: ModelMetadata
    precision: str = "fp32"
    lanes: int = 1

    @abstractmethod
    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """The network's raw outputs.

        Args:
            images: Fitted pictures, uint8 of shape (batch, in_channels, *image_size).
        """

    def set_option(self, name: str, value: Any) -> None:
        """Change one of the metadata's options, as plain values."""
        options = {**self.metadata.options, name: value}
        self.metadata = replace(self.metadata, options=options)

    def predict(self, image: Pixels | str | Path) -> Prediction:
        """Predict for one picture.

        Args:
            image: uint8 RGB of shape (height, width, 3), of any size, or a file; for a model of
                more channels of shape (height, width, in_channels).

        Returns:
            The task's prediction, in the pixels of this picture.

        Raises:
            ValueError: If the array is no such picture.
            vision.images.ImageError: If the file cannot be read.
        """
        if isinstance(image, str | Path):
            image = read_image(image)
        channels = self.metadata.in_channels
        if image.dtype != np.uint8 or image.ndim != 3:
            raise ValueError(
                "a picture is uint8 of shape (height, width, channels), "
                f"not {image.dtype} of shape {image.shape}"
            )
        if image.shape[2] != channels and (image.shape[2], channels) != (3, 1):
            raise VisusError(
                f"a picture of {image.shape[2]} channels, where {self.name} takes {channels}"
            )
        return self.predict_pixels(image)

    def predict_pixels(self, image: Pixels) -> Prediction:
        """As `predict`, for an array that is known to be a picture."""
        batch, fitted = self.prepare(image)
        outputs = self.run(batch)
        return to_prediction([output[0] for output in outputs], fitted, self.metadata)

    def follow(self, prediction: Prediction) -> Prediction:
        """What a prediction becomes by those before: given a video's, in order, one at a time."""
        return prediction

    def prepare(self, image: Pixels) -> tuple[NDArray[np.uint8], Any]:
        """A batch of one fitted picture, and its `Fit`."""
        fitted, mapping = fit(image, self.metadata.image_size, self.metadata.fit_mode)
        fitted = to_channels(fitted, self.metadata.in_channels)
        return to_planes(fitted)[None], mapping

    def inputs(self, image: Pixels) -> NDArray[np.uint8]:
        """What the network looks at in a picture, as `run` takes it: the whole, or its faces."""
        return self.prepare(image)[0]


class TorchModel(Model):
    """A task in PyTorch, on a GPU where there is one."""

    runtime = "torch"

    def __init__(self, name: str, task: "VisionTask") -> None:
        import torch

        self.name = name
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.task = task.eval().to(device)
        self.metadata = task.metadata

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """See `Model.run`."""
        import torch

        with torch.inference_mode():
            outputs = self.task(torch.from_numpy(images).to(self.task.device))
        return tuple(output.float().cpu().numpy() for output in outputs)


class ExportedModel(Model):
    """An exported file in ONNX Runtime or OpenVINO, without torch; see `load_network`."""

    def __init__(self, path: Path, runtime: str, lanes: int = 1) -> None:
        self.name = str(path)
        self.runtime = runtime
        self._network = load_network(path, runtime, lanes)
        self.lanes = lanes
        self.metadata = parse_metadata(self._network.metadata, path)
        self.precision = self._network.precision

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """See `Model.run`."""
        return self._network(images)


RUNTIMES = ("torch", *EXPORTED_RUNTIMES)
"""Names for `--runtime`."""


def load_model(model: str, runtime: str | None = None, lanes: int = 1) -> Model:
    """Load a model by the name the user gave.

    Args:
        model: See `apps.runs.find_model`.
        runtime: A name from `RUNTIMES`; by default the fastest that is installed and can run it.
        lanes: See `apps.networks.load_network`; torch has one.

    Raises:
        VisusError: If there is no such model, or the runtime cannot run it.
    """
    if runtime is not None and runtime not in RUNTIMES:
        raise VisusError(f"--runtime {runtime!r} is unknown; choose from {', '.join(RUNTIMES)}")
    found = find_model(model)
    if isinstance(found, Path) and found.suffix == ".onnx":
        exported = ExportedModel(found, choose_runtime(runtime, found), lanes)
        if exported.metadata.task in ("face_recognition", "face3d"):
            raise VisusError(f"{found}: is one network of a face model; name its folder")
        return exported
    if isinstance(found, Path) and found.name == BUNDLE:
        from visus.apps.inference.bundle import load_bundle

        return load_bundle(found, choose_runtime(runtime, found))
    if isinstance(found, Path) and found.suffix == ".pte":
        raise VisusError(f"{found}: is a program for phones; name a checkpoint or an .onnx here")
    if runtime not in (None, "torch"):
        raise VisusError(f"--runtime {runtime} runs exported files; visus export {model} makes one")
    from visus.tasks.checkpoints import load_task
    from visus.tasks.pretrained import load_pretrained_task

    task = load_pretrained_task(found) if isinstance(found, str) else load_task(found)
    return torch_model(model, task)


def torch_model(name: str, task: "VisionTask") -> Model:
    """A task as a model: of faces with the finder that they need, of pictures as it is."""
    model = TorchModel(name, task)
    if task.task == "face_recognition":
        from visus.tasks.face_recognition.torch_tmp import face_model

        return face_model(model)
    if task.task == "face3d":
        from visus.tasks.face_recognition.torch_tmp import face3d_model

        return face3d_model(model)
    return model


def set_threshold(model: Model, threshold: float) -> None:
    """Show detections from another score on than the model would by itself.

    Raises:
        VisusError: If the score is none, or the model is no detector.
    """
    if model.metadata.task != "detection":
        raise VisusError(f"--threshold is for detectors; {model.name!r} does no detection")
    if not 0 <= threshold <= 1:
        raise VisusError(f"--threshold {threshold} must lie between 0 and 1")
    model.set_option("threshold", threshold)


def parse_metadata(text: str | None, path: Path) -> ModelMetadata:
    """What an exported file says of itself as JSON.

    Raises:
        VisusError: If it says nothing, or nothing that this visus understands.
    """
    try:
        metadata = ModelMetadata.from_dict(json.loads(text) if text else None, str(path))
    except (TypeError, ValueError) as error:
        raise damaged(path, error) from None
    if metadata.task not in TASKS:
        raise VisusError(f"{path}: is of task {metadata.task!r}, which this visus does not know")
    return metadata
