"""What is printed and written once a clip has ended: its classes, and the timeline."""

from collections.abc import Sequence
from pathlib import Path

from visus.tasks.action.prediction import ActionPrediction
from visus.tasks.action.streaming import StreamingModel
from visus.tasks.action.timeline import Timeline
from visus.vision.frames import Frame
from visus.vision.model import Model
from visus.vision.output_files import write_text
from visus.vision.prediction import Prediction


class WholeClip:
    """Predicts for a clip as a whole, from all of its windows.

    Args:
        model: A network for clips.
        timeline: A CSV file for the labels of its parts; None for none.

    Attributes:
        model: Predicts for the frames of the clip.
    """

    def __init__(self, model: Model, timeline: Path | None) -> None:
        multi_label = bool(model.metadata.options["multi_label"])
        self.model = StreamingModel(model, lambda *step: self._timeline.add(*step))
        self._names = model.metadata.class_names
        self._multi_label = multi_label
        self._timeline = Timeline(self.model.frames, self.model.interval, self._names, multi_label)
        self._path = timeline
        self._end = 0.0

    def add_frame(self, frame: Frame, prediction: Prediction) -> None:
        """Note the time of a frame that was predicted."""
        assert frame.time is not None
        self._end = frame.time

    def lines(self) -> Sequence[str]:
        """Write the timeline; returns the lines to print, none where there was no frame."""
        repeated = self.model.complete_window()
        scores = self._timeline.whole()
        lines = []
        if scores is not None:
            prediction = ActionPrediction(scores.clip(0, 1), self._names, self._multi_label)
            lines.append(prediction.summary())
        if repeated:
            lines.append(
                f"shorter than the model's window of {self.model.seconds:g} s; the last frame was "
                "repeated"
            )
        if self._path is not None:
            write_text(self._path, self._timeline.to_csv(self._end))
            lines.append(f"timeline {self._path}")
        return lines
