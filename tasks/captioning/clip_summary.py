"""A caption of a whole clip, from the feature maps of its frames."""

from collections.abc import Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from visus.tasks.captioning.task import CaptioningTask
from visus.tasks.torch_network import torch_task
from visus.vision.frames import Frame
from visus.vision.model import Model
from visus.vision.prediction import Prediction

_KEPT = 16
"""Feature maps kept for each one that is used; they are thinned out as the clip goes on."""


class ClipSummary:
    """Captions a clip as a whole.

    A model of images captions the mean of the feature maps of all frames, a model of clips as many
    frames at equal distances as it was trained on.

    Args:
        model: A captioning model in PyTorch.

    Raises:
        VisusError: If the model is exported.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._task = cast(CaptioningTask, torch_task(model, "--summary"))
        frames = self._task.frames
        self._maps: _FeatureMaps = _MeanMaps() if frames == 1 else _DistantMaps(frames)
        self._geometry: Any = None

    def add_frame(self, frame: Frame, prediction: Prediction) -> None:
        """Add the feature map of a frame; its own prediction is not needed."""
        batch, self._geometry = self._model.preprocess(frame.image)
        features = self._task.extract_features(torch.from_numpy(batch))
        self._maps.add(features, frame.time or 0.0)

    def caption(self) -> Prediction | None:
        """The caption of the clip; None without frames."""
        features = self._maps.features()
        if features is None:
            return None
        with torch.inference_mode():
            outputs = self._task.decode(features)
        return self._task.postprocess(outputs, [self._geometry])[0]

    def lines(self) -> Sequence[str]:
        """The line to print after the last frame; none without frames."""
        caption = self.caption()
        return [] if caption is None else [f"as a whole: {caption.summary()}"]


class _FeatureMaps(Protocol):
    def add(self, features: Tensor, time: float) -> None:
        """Add a map of shape (1, channels, rows, columns), and its time in seconds."""

    def features(self) -> Tensor | None:
        """What represents the clip; None without maps."""


class _MeanMaps:
    """The mean of all maps."""

    def __init__(self) -> None:
        self._total: Tensor | None = None
        self._count = 0

    def add(self, features: Tensor, time: float) -> None:
        """See `_FeatureMaps`."""
        self._total = features if self._total is None else self._total + features
        self._count += 1

    def features(self) -> Tensor | None:
        """See `_FeatureMaps`: (1, channels, rows, columns)."""
        return None if self._total is None else self._total / self._count


class _DistantMaps:
    """Maps at equal distances in time, of a clip whose duration is known at its end only."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._kept: list[tuple[float, Tensor]] = []
        self._last = 0.0
        self._distance = 0.0

    def add(self, features: Tensor, time: float) -> None:
        """See `_FeatureMaps`."""
        self._last = time
        if self._kept and time < self._kept[-1][0] + self._distance:
            return
        self._kept.append((time, features))
        if len(self._kept) > _KEPT * self._count:
            self._kept = self._kept[::2]
            span = self._kept[-1][0] - self._kept[0][0]
            self._distance = 0.9 * span / (len(self._kept) - 1)

    def features(self) -> Tensor | None:
        """See `_FeatureMaps`: (1, frames, channels, rows, columns)."""
        if not self._kept:
            return None
        targets = [(i + 0.5) / self._count * self._last for i in range(self._count)]
        nearest = [min(self._kept, key=lambda kept: abs(kept[0] - t))[1] for t in targets]
        return torch.stack(nearest, dim=1)
