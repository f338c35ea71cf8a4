"""The model of the Python interface: takes images of any kind, and returns results."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from visus.apps.inference.loading import load_model
from visus.apps.live.sources.base import Source
from visus.apps.python.arrays import Channels
from visus.apps.python.inputs import ImageInMemory, kept, open_images, open_stream, warn_of
from visus.apps.python.options import configure, errors_in_python, to_arguments
from visus.apps.python.results import Result
from visus.apps.python.running import ResultStream, predict_frames
from visus.apps.runs import lasting_name
from visus.tasks.options import Session
from visus.tasks.registry import task_spec
from visus.vision import model as inference

if TYPE_CHECKING:
    # Only for the signatures: exported models run without PyTorch.
    from torch import Tensor


class _StillImages:
    """See `visus.vision.frames.SourceProperties`."""

    still, live, rate = True, False, 0.0


class Model:
    """A model for images of any kind; `visus.load` and `visus.fit` return one.

    Options of its task, such as `threshold` of detection, are keyword arguments; they hold for
    one call.

    Attributes:
        inner: The model that predicts for one image after the other, without conversions.
        origin: What the model was loaded from: a file, a folder or the name of ready-made weights.
    """

    def __init__(self, model: inference.Model, origin: str) -> None:
        self.inner = model
        self.origin = origin

    @property
    def task(self) -> str:
        """Name of the task, such as `detection`."""
        return self.inner.metadata.task

    @property
    def names(self) -> tuple[str, ...]:
        """One name for each class id."""
        return self.inner.metadata.class_names

    @overload
    def __call__(
        self,
        source: ImageInMemory,
        *,
        channels: Channels = "rgb",
        **options: Any,
    ) -> Result: ...

    # A path is one image or many, and a tensor too: only their values tell.
    @overload
    def __call__(
        self,
        source: str | PathLike[str] | Tensor,
        *,
        channels: Channels = "rgb",
        **options: Any,
    ) -> Any: ...

    @overload
    def __call__(
        self,
        source: Sequence[ImageInMemory | Tensor | str | PathLike[str]],
        *,
        channels: Channels = "rgb",
        **options: Any,
    ) -> list[Result]: ...

    def __call__(self, source: Any, *, channels: Channels = "rgb", **options: Any) -> Any:
        """Predict; see `predict`."""
        return self.predict(source, channels=channels, **options)

    @overload
    def predict(
        self, source: ImageInMemory, *, channels: Channels = "rgb", **options: Any
    ) -> Result: ...

    @overload
    def predict(
        self, source: str | PathLike[str] | Tensor, *, channels: Channels = "rgb", **options: Any
    ) -> Any: ...

    @overload
    def predict(
        self,
        source: Sequence[ImageInMemory | Tensor | str | PathLike[str]],
        *,
        channels: Channels = "rgb",
        **options: Any,
    ) -> list[Result]: ...

    def predict(self, source: Any, *, channels: Channels = "rgb", **options: Any) -> Any:
        """Predict for an image or several.

        Args:
            source: A path; a web address; the bytes of an image file; an image of Pillow; a uint8
                array of shape (height, width, 3), of any size; a tensor, uint8 or float between 0
                and 1, of shape (3, height, width) or with a batch dimension before it; or several
                images: a folder, a glob, or a list of any of these. Grey images have a shape of
                (height, width), and transparent pixels are blended with white.
            channels: Order of the channels of arrays and tensors: `rgb`, or `bgr` as OpenCV has it.
            options: Options of the task for this call, such as `threshold=0.5` for a detector.

        Returns:
            A `Result` in the pixels of the upright image; a list of them for several images.

        Raises:
            TypeError: If the source is not an image, or there is no such option.
            ValueError: If an array is not an image, or an option's value is not allowed.
            VisusError: If there is no such file, or it cannot be read; of a folder or a glob, such
                files are left out, each with a warning.
        """
        session = configure(self.inner, options, _StillImages())
        if session.closing:
            names = ", ".join(options)
            one = "" if len(options) == 1 else "one of "
            raise TypeError(
                f"{one}{names}: is for images as a whole; for result in model.stream(...)"
            )
        images = open_images(source, channels, self.inner.metadata.in_channels)
        size = 1 if images.single else session.model.batch_size
        tolerant = images.stored and not images.single
        found = predict_frames(session, images.frames, size, tolerant=tolerant)
        results = [
            Result(prediction, frame, self.names, keep, session.conceal)
            for (frame, prediction), keep in zip(found, kept(source, images), strict=False)
        ]
        return results[0] if images.single else results

    def stream(
        self,
        source: str | PathLike[str] | int | Iterable[Any],
        *,
        channels: Channels = "rgb",
        **options: Any,
    ) -> ResultStream:
        """Predict for a video, a camera or any number of images, one after the other.

        The memory needed does not grow with their number. Ending the loop closes the source; of a
        camera always the newest frame is predicted; stored files are predicted in batches.

        Args:
            source: A video, the number of a camera, the address of a stream (`rtsp://`,
                `http://`), a folder, a glob, or an iterable of images as `predict` takes them.
            channels: As for `predict`.
            options: As for `predict`.

        Returns:
            A `Result` for each frame; `summary` of the iterator describes the source as a whole.

        Raises:
            TypeError: As `predict`.
            VisusError: If the source cannot be opened; damage within it is a warning at the end.
        """
        opened = open_stream(source, channels, self.inner.metadata.in_channels)
        return ResultStream(self._results(configure(self.inner, options, opened), opened))

    def track(
        self,
        source: str | PathLike[str] | int | Iterable[Any],
        *,
        channels: Channels = "rgb",
        **options: Any,
    ) -> ResultStream:
        """As `stream`, and each object of a detector has its number: `item.details["track"]`."""
        return self.stream(source, channels=channels, **options, track=True)

    def export(
        self,
        output: str | Path,
        *,
        precision: Literal["fp32", "bf16", "int8"] = "fp32",
        calibration: str | Path | None = None,
        images: str | Path | None = None,
    ) -> Path:
        """Write the model as a file for a runtime, and print how it agrees with PyTorch.

        Args:
            output: An `.onnx` file, a `.pte` program for phones, a `.ckpt` of weights alone, or a
                folder for a model of several networks, such as those for faces.
            precision: `fp32`; `bf16` where CPU and runtime support it; `int8` with `calibration`.
            calibration: A folder of images that set the ranges of `int8`.
            images: A folder of images to compare on; procedural ones by default.

        Returns:
            The path; `visus.load` reads it.

        Raises:
            VisusError: If this model is exported already, or cannot be written in this form.
        """
        from visus.apps.commands.export import main

        chosen = {"calibration": calibration, "images": images}
        given = {name: value for name, value in chosen.items() if value is not None}
        arguments = {"output": output, "precision": precision, **given}
        with errors_in_python():
            main([self.origin, *to_arguments(arguments)])
        return Path(output)

    def validate(
        self,
        data: str | Path | None = None,
        *,
        split: Literal["val", "test"] = "val",
        batch_size: int | None = None,
        num_workers: int | None = None,
    ) -> dict[str, float]:
        """Measure the model on labelled data, as `visus validate` and `visus test` do.

        Args:
            data: The data set; by default that of the training.
            split: Its validation or its test images.
            batch_size: Images in one run of the network.
            num_workers: Processes that load images.

        Returns:
            The metrics by name, such as `val/accuracy`; fractions are 0 to 1.

        Raises:
            ValueError: If there is no such split.
            VisusError: If the model is exported, or the data do not suit it.
        """
        from visus.apps.training.run import measure

        subcommand = {"val": "validate", "test": "test"}.get(split)
        if subcommand is None:
            raise ValueError(f"split={split!r}: is neither 'val' nor 'test'")
        options = {"data.batch_size": batch_size, "data.num_workers": num_workers}
        given = {name: value for name, value in options.items() if value is not None}
        place = [] if data is None else ["--data", str(data)]
        with errors_in_python():
            return measure([self.origin, *place, *to_arguments(given)], subcommand=subcommand)

    def info(self) -> dict[str, Any]:
        """What the model is: plain values.

        Returns:
            `origin`, `task`, `runtime`, `precision`, `names`, `image_size` (height, width),
            `in_channels`, `resize_mode`, and `options`, the names that `predict` takes.
        """
        metadata = self.inner.metadata
        return {
            "origin": self.origin,
            "task": metadata.task,
            "runtime": self.inner.runtime,
            "precision": self.inner.precision,
            "names": list(metadata.class_names),
            "image_size": list(metadata.image_size),
            "in_channels": metadata.in_channels,
            "resize_mode": metadata.resize_mode,
            "options": [option.name for option in task_spec(metadata.task).options],
        }

    def __repr__(self) -> str:
        """Origin, task, classes and runtime."""
        classes = f", {len(self.names)} classes" if self.names else ""
        return f"<Model {self.origin}: {self.task}{classes}, {self.inner.runtime}>"

    def _results(self, session: Session, source: Source) -> Generator[Result, None, list[str]]:
        with closing(source.frames()) as frames:
            # A camera that was interrupted repeats its last frame.
            new = (frame for frame in frames if not frame.note)
            size = session.model.batch_size if source.stored else 1
            for frame, prediction in predict_frames(session, new, size, tolerant=source.stored):
                yield Result(prediction, frame, self.names)
        lines = [line for close in session.closing for line in close()]
        warn_of(source)
        return lines


def load(model: str | Path, runtime: str | None = None) -> Model:
    """Load a model; see `visus.load`."""
    with errors_in_python():
        origin = lasting_name(str(model))
        return Model(load_model(origin, runtime), origin)
