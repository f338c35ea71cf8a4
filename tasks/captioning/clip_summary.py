"""A caption of a whole clip, from the mean of its frames' feature maps."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from visus.tasks.captioning.task import CaptioningTask
from visus.tasks.torch_network import torch_task
from visus.vision.frames import Frame
from visus.vision.model import Model
from visus.vision.prediction import Prediction


class ClipSummary:
    """Captions a clip as a whole, from the mean of its frames' feature maps.

    Args:
        model: A captioning model in PyTorch.

    Raises:
        VisusError: If the model is exported.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._task = cast(CaptioningTask, torch_task(model, "--summary"))
        self._total: Tensor | None = None
        self._count = 0
        self._geometry: Any = None

    def add_frame(self, frame: Frame, prediction: Prediction) -> None:
        """Add the feature map of a frame; its own prediction is not needed."""
        batch, self._geometry = self._model.preprocess(frame.image)
        features = self._task.extract_features(torch.from_numpy(batch))
        self._total = features if self._total is None else self._total + features
        self._count += 1

    def caption(self) -> Prediction | None:
        """The caption of the clip; None without frames."""
        if self._total is None:
            return None
        with torch.inference_mode():
            outputs = self._task.decode(self._total / self._count)
        return self._task.postprocess(outputs, [self._geometry])[0]

    def lines(self) -> Sequence[str]:
        """The line to print after the last frame; none without frames."""
        caption = self.caption()
        return [] if caption is None else [f"as a whole: {caption.summary()}"]
