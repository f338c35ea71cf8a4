"""What only captioners can do: search wider, tell a whole clip, tell a camera now and then."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from visus.apps.inference.predictions_tmp import to_prediction

from visus.apps.inference.loading import TorchModel
from visus.apps.live.sources.base import Source
from visus.tasks.captioning.prediction import CaptionPrediction
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.images import Pixels
from visus.vision.model import Model
from visus.vision.prediction import Prediction

_SECONDS = 1.0
"""Between two captions of a live image."""


def set_beams(model: Model, beams: int) -> None:
    """Keep that many captions in view while writing, and tell them all.

    Raises:
        VisusError: If the number is none, or the model no captioner in PyTorch.
    """
    if beams < 1:
        raise VisusError(f"--beam {beams} must be at least 1")
    _task_of(model, "--beam").beams = beams


def _task_of(model: Model, option: str) -> Any:
    """The task of a captioner in PyTorch."""
    if model.metadata.task != "captioning":
        raise VisusError(f"{option} is for captioners; {model.name!r} does {model.metadata.task}")
    if not isinstance(model, TorchModel):
        raise VisusError(
            f"{option} needs the checkpoint: an exported captioner like {model.name!r} writes the "
            "surest word each time"
        )
    return model.task


class ClipSummary:
    """Tells a clip in one sentence, of the mean of its frames' feature maps.

    Args:
        model: A captioner in PyTorch.

    Raises:
        VisusError: If it is none.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._task = _task_of(model, "--summary")
        self._total: Any = None
        self._count = 0
        self._fit: Any = None

    def watch(self, frame: Frame, prediction: Prediction) -> None:
        """Take a frame."""
        import torch

        batch, self._fit = self.model.preprocess(frame.image)
        features = self._task.look(torch.from_numpy(batch))
        self._total = features if self._total is None else self._total + features
        self._count += 1

    def tell(self) -> CaptionPrediction | None:
        """What the frames show; None where there was none."""
        if self._total is None:
            return None
        import torch

        with torch.inference_mode():
            outputs = self._task.describe(self._total / self._count)
        arrays = [output[0].float().cpu().numpy() for output in outputs]
        prediction = to_prediction(arrays, self._fit, self.model.metadata)
        assert isinstance(prediction, CaptionPrediction)
        return prediction


class ThrottledModel(Model):
    """A model that looks once a second, and tells what it saw last for the frames between.

    On a live source it looks in a thread of its own, so that no frame waits for it.

    Args:
        model: What looks.
        source: Where the frames come from.
    """

    def __init__(self, model: Model, source: Source) -> None:
        self.model = model
        self.name, self.runtime, self.metadata = model.name, model.runtime, model.metadata
        self._live = source.live
        self._pause = max(1, round((source.rate or 25.0) * _SECONDS))
        self._until_next = 0
        self._latest: Prediction | None = None
        self._pool = ThreadPoolExecutor(1)
        self._running: Future[Prediction] | None = None

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """See `Model.run`."""
        return self.model.run(images)

    def predict_pixels(self, image: Pixels) -> Prediction:
        """The latest; see `Model.predict`."""
        if self._running is not None and self._running.done():
            self._latest, self._running = self._running.result(), None
        if self._latest is None and self._running is None:
            # The first frame waits, so that there is always something to tell.
            self._latest = self.model.predict_pixels(image)
            self._until_next = self._pause
        elif self._until_next <= 0 and self._running is None:
            self._until_next = self._pause
            if self._live:
                self._running = self._pool.submit(self.model.predict_pixels, image.copy())
            else:
                self._latest = self.model.predict_pixels(image)
        self._until_next -= 1
        assert self._latest is not None
        return self._latest
