"""Models ready to predict, independent of the runtime: from an image to a prediction."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.images import Pixels, read_image
from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Outputs, Prediction

Batch = NDArray[np.uint8]
"""Network input: uint8 of shape (batch, channels, height, width)."""

Preprocess = Callable[[Pixels, ModelMetadata], tuple[Batch, Any]]
"""From an image to a batch of one, and the geometry that maps results back to the image."""

Postprocess = Callable[[Outputs, Any, ModelMetadata], Prediction]
"""From a network's outputs for one image and its geometry to a prediction."""


class Network(Protocol):
    """A bare network in some runtime, from preprocessed images to raw outputs.

    Attributes:
        precision: `fp32`, `bf16` or `int8`.
        batch_size: Images in one run that are fastest; 1 where it takes single images.
    """

    precision: str
    batch_size: int

    def __call__(
        self, images: Batch, *state: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], ...]:
        """The outputs for uint8 images of shape (batch, channels, height, width).

        A network with a state (`ModelMetadata.state_shapes`) takes it after the images, and returns
        the new one after its outputs.
        """
        ...


class Model(ABC):
    """A model ready to predict.

    Attributes:
        name: Name or path that the user gave.
        runtime: `torch`, `onnxruntime`, `openvino` or `executorch`.
        metadata: Metadata from the checkpoint or the exported file.
        precision: `fp32`, `bf16` or `int8`.
        workers: Number of threads that may predict at once.
        batch_size: Images in one call of `predict_batch` that are fastest; 1 where no two share a
            run of the network, or a prediction depends on earlier frames.
    """

    name: str
    runtime: str
    metadata: ModelMetadata
    precision: str
    workers: int
    batch_size: int = 1

    @abstractmethod
    def run(self, images: Batch, *state: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """The network's raw outputs.

        Args:
            images: Preprocessed images, uint8 of shape (batch, in_channels, *image_size).
            state: Of a network with a state; see `Network`.
        """

    @abstractmethod
    def preprocess(self, image: Pixels) -> tuple[Batch, Any]:
        """A batch of one, and the geometry that maps results back to the image."""

    @abstractmethod
    def predict_image(self, image: Pixels) -> Prediction:
        """As `predict`, for an array that has been validated."""

    def predict(self, image: Pixels | str | Path) -> Prediction:
        """Predict for one image.

        Args:
            image: uint8 RGB of shape (height, width, 3), of any size, or a file; for a model with
                other channels of shape (height, width, in_channels).

        Returns:
            The task's prediction, in pixels of this image.

        Raises:
            ValueError: If the array is not such an image.
            VisusError: If the number of channels is not that of the model.
            visus.vision.images.ImageError: If the file cannot be read.
        """
        if isinstance(image, str | Path):
            image = read_image(image)
        self._check(image)
        return self.predict_image(image)

    def predict_batch(self, images: Sequence[Pixels]) -> list[Prediction]:
        """Predict for several images, in one run of the network where it takes several.

        Args:
            images: As `predict` takes them.

        Raises:
            ValueError: As `predict`.
            VisusError: As `predict`.
        """
        for image in images:
            self._check(image)
        return self.predict_images(images)

    def predict_images(self, images: Sequence[Pixels]) -> list[Prediction]:
        """As `predict_batch`, for arrays that have been validated."""
        return [self.predict_image(image) for image in images]

    def _check(self, image: Pixels) -> None:
        """Refuse an array that is not an image for this model."""
        channels = self.metadata.in_channels
        if image.dtype != np.uint8 or image.ndim != 3:
            raise ValueError(
                "an image is uint8 of shape (height, width, channels), "
                f"not {image.dtype} of shape {image.shape}"
            )
        if image.shape[2] != channels and (image.shape[2], channels) != (3, 1):
            raise VisusError(
                f"an image of {image.shape[2]} channels, where the model takes {channels}"
            )

    def predict_frame(self, frame: Frame) -> Prediction:
        """As `predict`, for a frame of a source, whose time matters to models that skip frames."""
        return self.predict(frame.image)

    def apply_state(self, prediction: Prediction, time: float | None = None) -> Prediction:
        """Update a prediction from earlier ones, such as tracks; called in order of the frames.

        Args:
            prediction: Of the frame.
            time: Time of the frame in seconds, as `Frame.time`.
        """
        return prediction

    def network_inputs(self, image: Pixels) -> Batch:
        """The batch that the network computes for an image: the whole image, or its faces.

        Raises:
            VisusError: If the image has another number of channels than the model takes.
        """
        self._check(image)
        return self.preprocess(image)[0]

    @abstractmethod
    def set_option(self, name: str, value: Any) -> None:
        """Set one of the metadata's options to a plain value."""


class NetworkModel(Model):
    """A network with its task's preprocessing and postprocessing.

    Args:
        name: Name or path that the user gave.
        runtime: Name of the runtime.
        network: The network.
        metadata: Metadata of the model.
        preprocess: From an image to the network's input.
        postprocess: From the network's outputs to a prediction.
        workers: Number of threads that may predict at once.
    """

    def __init__(
        self,
        name: str,
        runtime: str,
        network: Network,
        metadata: ModelMetadata,
        preprocess: Preprocess,
        postprocess: Postprocess,
        workers: int = 1,
    ) -> None:
        self.name = name
        self.runtime = runtime
        self.network = network
        self.metadata = metadata
        self.precision = network.precision
        self.workers = workers
        # Each image of a batch would need a state.
        self.batch_size = 1 if metadata.initial_state() else network.batch_size
        self._preprocess = preprocess
        self._postprocess = postprocess
        self._initial_state = metadata.initial_state()

    def run(self, images: Batch, *state: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """See `Model.run`."""
        return self.network(images, *state)

    def preprocess(self, image: Pixels) -> tuple[Batch, Any]:
        """See `Model.preprocess`."""
        return self._preprocess(image, self.metadata)

    def predict_image(self, image: Pixels) -> Prediction:
        """See `Model.predict_image`."""
        batch, geometry = self.preprocess(image)
        outputs = self.network(batch, *self._initial_state)
        return self._postprocess([output[0] for output in outputs], geometry, self.metadata)

    def predict_images(self, images: Sequence[Pixels]) -> list[Prediction]:
        """See `Model.predict_images`."""
        if self.batch_size == 1 or len(images) == 1:
            return super().predict_images(images)
        batches, geometries = zip(*(self.preprocess(image) for image in images), strict=True)
        outputs = self.network(np.concatenate(batches))
        return [
            self._postprocess([output[i] for output in outputs], geometry, self.metadata)
            for i, geometry in enumerate(geometries)
        ]

    def set_option(self, name: str, value: Any) -> None:
        """See `Model.set_option`."""
        options = {**self.metadata.options, name: value}
        self.metadata = replace(self.metadata, options=options)
